"""Schedules and their records as bytes: JSON, or msgpack where arguments hold bytes.

The first byte tells which, as it does for jobs.
"""

from typing import Any, TypeVar

import msgspec

from coord.errors import ErrorCode, error_from
from coord.limits import VALUE_BYTES_MAX
from recipes.decoding import UNREADABLE
from workers.model.job import is_json
from workers.schedules.values import Backfill, Edit, Firing, Schedule, State

Kept = Schedule | Edit | State | Firing | Backfill
T = TypeVar("T", Schedule, Edit, State, Firing, Backfill)

_json = msgspec.json.Encoder()
_msgpack = msgspec.msgpack.Encoder()
_DECODERS: dict[type, tuple[Any, Any]] = {
    kind: (msgspec.json.Decoder(kind), msgspec.msgpack.Decoder(kind))
    for kind in (Schedule, Edit, State, Firing, Backfill)
}


def encode(kept: Kept) -> bytes:
    """Return a value as it is kept.

    Raises:
        Misuse: arguments are nothing JSON or msgpack can say, or it is too large.
    """
    args = _args(kept)
    try:
        value = _json.encode(kept) if not args or is_json(args) else _msgpack.encode(kept)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        detail = f"arguments of a schedule's job cannot be kept: {error}"
        raise error_from(ErrorCode.INVALID_OPTION, detail) from None
    if len(value) > VALUE_BYTES_MAX:
        detail = f"a schedule takes {len(value)} bytes; {VALUE_BYTES_MAX} are allowed"
        raise error_from(ErrorCode.VALUE_TOO_LARGE, detail)
    return value


def decode(value: bytes, kind: type[T]) -> T | None:
    """Return what a value stands for, or None where it is no such thing."""
    as_json, as_msgpack = _DECODERS[kind]
    try:
        found: T = (as_json if value[:1] == b"{" else as_msgpack).decode(value)
    except UNREADABLE:
        return None
    return found


def _args(kept: Kept) -> dict[str, object]:
    schedule = kept.schedule if isinstance(kept, Edit) else kept
    return schedule.job.args if isinstance(schedule, Schedule) else {}
