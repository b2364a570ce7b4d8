"""Importing the application that a command line names."""

import importlib

from coord.errors import ErrorCode
from workers.app.app import App
from workers.errors import AppNotFound


def load_app(path: str) -> App:
    """Import "package.module:attribute".

    Raises:
        AppNotFound: it cannot be imported, or is no App; says why.
    """
    module, _, attribute = path.partition(":")
    if not module or not attribute:
        raise _not_found(f"{path!r} is not of the form package.module:attribute")
    try:
        found = getattr(importlib.import_module(module), attribute, None)
    except (ImportError, TypeError, ValueError) as error:  # the last two: no module's name
        raise _not_found(f"{path}: {error}") from error
    if not isinstance(found, App):
        raise _not_found(f"{path}: {attribute!r} is no App")
    return found


def _not_found(why: str) -> AppNotFound:
    return AppNotFound(why, ErrorCode.INVALID_OPTION)
