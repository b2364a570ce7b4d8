"""What tells that a stored value is not what it should be, or would not be once stored.

Anybody can write anything under any key. Whoever follows keys passes over what cannot be read, or
one such value would end them all; so every place that decodes one catches the same.
"""

import msgspec

from coord.errors import ErrorCode, error_from

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""Not of the format or the type, text that is no UTF-8, nested deeper than can be followed."""


def encoded(value: msgspec.Struct) -> bytes:
    """Return a value as JSON that its readers decode to the same again.

    Raises:
        Misuse: a field is not of its type or can be no JSON; readers would pass the value over.
    """
    kind = type(value)
    try:
        raw = msgspec.json.encode(value)
        is_same = msgspec.json.decode(raw, type=kind) == value
    except (*UNREADABLE, TypeError, ValueError, OverflowError) as error:
        raise error_from(ErrorCode.INVALID_OPTION, f"{kind.__name__}: {error}") from None
    if not is_same:
        detail = f"{kind.__name__}: {value!r:.200} is not of the types it declares"
        raise error_from(ErrorCode.INVALID_OPTION, detail)
    return raw
