"""Values of the framework as JSON says them: every field, those that are empty too."""

import base64
from enum import Enum
from typing import Any

import msgspec


def plain(value: object) -> Any:
    """Return a value in terms of JSON; bytes in base64."""
    match value:
        case msgspec.Struct():
            kind = value.__struct_config__.tag
            tagged = {} if kind is None else {"type": kind}
            return tagged | {name: plain(getattr(value, name)) for name in value.__struct_fields__}
        case Enum():
            return value.value
        case dict():
            return {str(key): plain(each) for key, each in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(each) for each in value]
        case bytes():
            return base64.b64encode(value).decode()
        case _:
            return value
