"""Reading ranges, with every option of etcd's Range.

The present is read from the ordered live keys. The past is read by walking each candidate, live
or deleted, back to the asked revision; its count is made from whichever is shorter, the list of
candidates or the history since.
"""

from collections.abc import Callable, Iterator

from coord import limits
from coord.errors import ErrorCode
from coord.model import KeyValue
from coord.requests import Range, RangeReply, SortOrder, SortTarget
from coord.store.keyspace import Keyspace
from coord.store.rejection import Rejection
from coord.store.scan import next_bytes
from coord.store.sizes import check_bytes, check_count, kvs_bytes
from coord.store.spans import high_of

_SIZE_CHECK_KEYS = 16  # fewer keys than this cannot reach REPLY_BYTES_MAX
_BLOCK_KEYS = 1024

_SORT_KEY: dict[SortTarget, Callable[[KeyValue], int | bytes]] = {
    SortTarget.KEY: lambda kv: kv.key,
    SortTarget.VERSION: lambda kv: kv.version,
    SortTarget.CREATE: lambda kv: kv.create_revision,
    SortTarget.MOD: lambda kv: kv.mod_revision,
    SortTarget.VALUE: lambda kv: kv.value,
}


def read_range(space: Keyspace, op: Range) -> RangeReply:
    """Answer a range read.

    Raises:
        Rejection: the revision is compacted or in the future, or the answer is too large.
    """
    at = op.revision
    if at > 0:
        check_revision(space, at)
    if at <= 0 or (at == space.revision and not space.pending):
        return _finish(space, op, *_read_now(space, op))
    return _finish(space, op, *_read_past(space, op, at))


def check_revision(space: Keyspace, at: int) -> None:
    """Refuse to read a revision that is not kept.

    Raises:
        Rejection: it is compacted, or not there yet.
    """
    if at > space.revision:
        detail = f"{at}; the newest is {space.revision}"
        raise Rejection(ErrorCode.FUTURE_REVISION, detail)
    if at < space.history.compact_revision:
        detail = f"{at}; compacted up to {space.history.compact_revision}"
        raise Rejection(ErrorCode.COMPACTED, detail)


def _filters(op: Range) -> bool:
    return bool(
        op.min_mod_revision or op.max_mod_revision
        or op.min_create_revision or op.max_create_revision
    )  # fmt: skip


def _fetch_limit(op: Range) -> int | None:
    """Return how many keys are worth fetching, None for all.

    One more than the limit tells `more`; one more than an answer may hold gets it refused.
    """
    in_key_order = op.sort_order is SortOrder.ASCEND and op.sort_target is SortTarget.KEY
    if _filters(op) or (op.sort_order and not in_key_order):
        return None
    return min(op.limit or limits.RANGE_LIMIT_MAX, limits.RANGE_LIMIT_MAX) + 1


def _read_now(space: Keyspace, op: Range) -> tuple[list[KeyValue], int]:
    """Return the keys fetched, in key order, and the count of the whole range."""
    latest = space.latest
    if not op.range_end:
        kv = latest.get(op.key)
        return ([], 0) if kv is None else ([kv], 1)
    high = high_of(op.range_end)
    if op.count_only:
        return [], space.live.count(op.key, high)
    limit = _fetch_limit(op)
    if op.limit and op.sort_order is SortOrder.DESCEND and not _filters(op) and not op.sort_target:
        keys = space.live.slice_last(op.key, high, min(op.limit, limits.RANGE_LIMIT_MAX) + 1)
        keys.reverse()
        return [latest[key] for key in keys], space.live.count(op.key, high)
    keys = space.live.slice(op.key, high, limit)
    count = len(keys) if limit is None or len(keys) < limit else space.live.count(op.key, high)
    if limit is None and not op.limit and not _filters(op):
        check_count(count)
    return [latest[key] for key in keys], count


def _read_past(space: Keyspace, op: Range, at: int) -> tuple[list[KeyValue], int]:
    """As `_read_now`, at an earlier revision."""
    if not op.range_end:
        kv = space.value_at(op.key, at)
        return ([], 0) if kv is None else ([kv], 1)
    high = high_of(op.range_end)
    if op.count_only:
        return [], _count_past(space, op.key, high, at)
    limit = _fetch_limit(op)
    found: list[KeyValue] = []
    for key in _candidates(space, op.key, high):
        kv = space.value_at(key, at)
        if kv is not None:
            found.append(kv)
            if len(found) == limit:
                return found, _count_past(space, op.key, high, at)
    return found, len(found)


def _candidates(space: Keyspace, low: bytes, high: bytes | None) -> Iterator[bytes]:
    """Yield the live and the deleted keys of a span, in order, without building long lists."""
    while True:
        live = space.live.slice(low, high, _BLOCK_KEYS)
        last = len(live) < _BLOCK_KEYS
        stop = high if last else next_bytes(live[-1])
        yield from sorted(live + space.deleted.slice(low, stop))
        if last or stop is None:
            return
        low = stop


def _count_past(space: Keyspace, low: bytes, high: bytes | None, at: int) -> int:
    """Return how many keys of a span existed at an earlier revision."""
    history = space.history
    now = space.live.count(low, high)
    if space.pending or now + space.deleted.count(low, high) <= space.revision - at:
        existing = (space.value_at(key, at) for key in _candidates(space, low, high))
        return sum(kv is not None for kv in existing)
    seen: set[bytes] = set()
    for key, before in history.replaced_since(at + 1):
        if key in seen or key < low or (high is not None and key >= high):
            continue
        seen.add(key)
        now += (before is not None and before.version > 0) - (key in space.latest)
    return now


def _finish(space: Keyspace, op: Range, kvs: list[KeyValue], count: int) -> RangeReply:
    """Filter, sort, cut and strip what was fetched."""
    shown = space.shown_revision
    if op.count_only:
        return RangeReply(shown, (), False, count)
    if _filters(op):
        kvs = [kv for kv in kvs if _passes(kv, op)]
    if op.sort_target or op.sort_order is SortOrder.DESCEND:
        kvs.sort(key=_SORT_KEY[op.sort_target], reverse=op.sort_order is SortOrder.DESCEND)
    more = 0 < op.limit < len(kvs)
    if more:
        del kvs[op.limit :]
    if op.keys_only:
        kvs = [_nameplate(kv) for kv in kvs]
    if len(kvs) > _SIZE_CHECK_KEYS:
        check_count(len(kvs))
        check_bytes(kvs_bytes(kvs))
    return RangeReply(shown, tuple(kvs), more, count)


def _passes(kv: KeyValue, op: Range) -> bool:
    return (
        op.min_mod_revision <= kv.mod_revision
        and (not op.max_mod_revision or kv.mod_revision <= op.max_mod_revision)
        and op.min_create_revision <= kv.create_revision
        and (not op.max_create_revision or kv.create_revision <= op.max_create_revision)
    )


def _nameplate(kv: KeyValue) -> KeyValue:
    """Return a key with all its fields but the value."""
    return KeyValue(
        kv.key, b"", kv.create_revision, kv.mod_revision, kv.version, kv.lease, kv.claims
    )
