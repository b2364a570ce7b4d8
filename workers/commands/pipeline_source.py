"""Where `coord pipeline start` finds a pipeline: in a JSON file, on stdin, or in a module."""

import sys
from importlib import import_module
from pathlib import Path

import click

from workers.pipelines.codec import decode_pipeline
from workers.pipelines.spec import Pipeline


def find_pipeline(source: str) -> Pipeline:
    """Return the pipeline that a file, "-" or module:attribute stands for.

    Args:
        source: of a module the attribute is a Pipeline, or a function that returns one.

    Raises:
        BadParameter: there is none.
        Misuse: the JSON is none; says where it is wrong.
    """
    if source == "-":
        return decode_pipeline(sys.stdin.buffer.read())
    module, colon, attribute = source.partition(":")
    if colon and not Path(source).exists():
        return _imported(source, module, attribute)
    try:
        return decode_pipeline(Path(source).read_bytes())
    except OSError as error:
        raise _bad(f"{source}: {error.strerror}") from None


def _imported(source: str, module: str, attribute: str) -> Pipeline:
    if "" not in sys.path:
        sys.path.insert(0, "")  # as `python -m` does
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise _bad(f"{source}: {error}") from None
    if callable(found):
        try:
            found = found()
        except Exception as error:
            raise _bad(f"{source}: {error!r}") from error
    if not isinstance(found, Pipeline):
        raise _bad(f"{source} is a {type(found).__name__}, no Pipeline")
    return found


def _bad(detail: str) -> click.BadParameter:
    return click.BadParameter(detail, param_hint="SOURCE")
