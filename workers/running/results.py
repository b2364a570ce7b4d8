"""What a job returned, as bytes: JSON, or msgpack for what JSON would not bring back."""

import msgspec

from coord.limits import VALUE_BYTES_MAX
from workers.model.job import is_json

_PLAIN = (type(None), bool, int, str)
_json = msgspec.json.Encoder()
_msgpack = msgspec.msgpack.Encoder()


class BadResult(Exception):
    """The job returned what cannot be kept."""


def encode_result(result: object) -> tuple[bytes, bytes]:
    """Return a result as JSON and as msgpack; one of the two, the other says "nothing".

    Raises:
        BadResult: it is neither; or too large. Says which.
    """
    try:
        if type(result) in _PLAIN:
            encoded = (_json.encode(result), b"")
        else:
            plain = msgspec.to_builtins(result, builtin_types=(bytes, bytearray, memoryview))
            if is_json(plain):
                encoded = (_json.encode(plain), b"")
            else:
                encoded = (b"null", _msgpack.encode(plain))
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise BadResult(f"the result cannot be kept: {error}") from None
    size_bytes = max(map(len, encoded))
    if size_bytes > VALUE_BYTES_MAX:
        raise BadResult(f"the result takes {size_bytes} bytes; {VALUE_BYTES_MAX} are allowed")
    return encoded
