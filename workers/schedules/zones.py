"""The clock on a zone's wall: what it shows at an instant, and when it is set.

Instants are unix seconds. Wall times are naive datetimes.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from coord.errors import ErrorCode, error_from

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  # a wall time
_STRIDE_S = 86_400  # no zone's clock is set twice within a day


@lru_cache(maxsize=1024)
def find_zone(name: str) -> ZoneInfo:
    """Return a zone by its name.

    Raises:
        Misuse: there is none of that name here.
    """
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        detail = f"zone {name!r}: a name of the IANA database is wanted, like Europe/Berlin or UTC"
        raise error_from(ErrorCode.INVALID_OPTION, detail) from None


def offset_at(zone: ZoneInfo, unix_s: int) -> int:
    """Return by how many seconds the wall is ahead of UTC at an instant."""
    offset = datetime.fromtimestamp(unix_s, zone).utcoffset()
    assert offset is not None
    return round(offset.total_seconds())


def first_set(zone: ZoneInfo, first_unix_s: int, last_unix_s: int, offset_s: int) -> int | None:
    """Return the first instant of a span at which the wall is not ahead by `offset_s`.

    Args:
        zone: whose.
        first_unix_s: of the span.
        last_unix_s: of the span, included.
        offset_s: the wall's before.

    Returns:
        None where it is so all the time.
    """
    good = first_unix_s - 1
    while good < last_unix_s:
        probe = min(good + _STRIDE_S, last_unix_s)
        if offset_at(zone, probe) != offset_s:
            return _bisect(zone, good, probe, offset_s)
        good = probe
    return None


def wall_at(unix_s: int, offset_s: int) -> datetime:
    """Return what a wall ahead by `offset_s` shows at an instant."""
    return _EPOCH + timedelta(seconds=unix_s + offset_s)


def instant_of(wall: datetime, offset_s: int) -> int:
    """Return the instant at which a wall ahead by `offset_s` shows `wall`."""
    return round((wall - _EPOCH).total_seconds()) - offset_s


def first_shown(zone: ZoneInfo, wall: datetime) -> int:
    """Return the first instant at which a zone's wall shows `wall` or, put forward, passes it."""
    before = datetime.replace(wall, tzinfo=zone, fold=0)
    unix_s = round(before.timestamp())
    shown = datetime.fromtimestamp(unix_s, zone)
    if shown.replace(tzinfo=None) == wall:
        return unix_s
    # Passed over. With fold 0 it was taken by the old offset, with fold 1 by the new one.
    early = round(before.replace(fold=1).timestamp())
    return _bisect(zone, early, unix_s, offset_at(zone, early))


def iso(unix_ms: int, zone: str = "UTC") -> str:
    """Return a time as people and programs read it, with the zone's offset."""
    try:
        at = datetime.fromtimestamp(unix_ms / 1000, UTC).astimezone(find_zone(zone))
    except (OverflowError, ValueError, OSError):
        return f"unix time {unix_ms} ms"  # beyond the year 9999, there or everywhere
    text = at.isoformat(timespec="milliseconds" if unix_ms % 1000 else "seconds")
    return text.replace("+00:00", "Z") if zone == "UTC" else text


def parse_time(text: str, zone: str = "UTC") -> int:
    """Return the unix milliseconds of "2026-11-22T03:00", in `zone` unless it names an offset.

    Raises:
        Misuse: it is no time.
    """
    try:
        at = datetime.fromisoformat(text)
        if at.tzinfo is None:
            whole, ms = at.replace(microsecond=0), at.microsecond // 1000
            return first_shown(find_zone(zone), whole) * 1000 + ms
        return round(at.timestamp() * 1000)
    except (ValueError, OverflowError):
        detail = f"time {text!r}: wanted like 2026-11-22T03:00 or 2026-11-22T03:00:00+01:00"
        raise error_from(ErrorCode.INVALID_OPTION, detail) from None


def _bisect(zone: ZoneInfo, good: int, bad: int, offset_s: int) -> int:
    """Return the first instant after `good`, up to `bad`, at which the offset is another."""
    while bad - good > 1:
        middle = (good + bad) // 2
        if offset_at(zone, middle) == offset_s:
            good = middle
        else:
            bad = middle
    return bad
