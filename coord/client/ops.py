"""From what a caller writes down to what travels: keys and values as bytes, prefixes as ranges.

Every function here returns a request struct or raises Misuse; nothing is sent. The same functions
build the operations of a transaction:

    client.txn(compare=[ops.missing("lock")], success=[ops.put("lock", "me", lease=lease)])

What only the store can know (does the lease exist? is the revision compacted?) is left to it.
"""

from collections.abc import Iterable
from typing import Literal

import msgspec

from coord import limits
from coord.errors import ErrorCode, Misuse, error_from
from coord.requests import (
    Claim,
    Compare,
    CompareResult,
    CompareTarget,
    DeleteRange,
    GiveBack,
    LeaseGrant,
    Put,
    Range,
    ReadOp,
    SortOrder,
    SortTarget,
    Txn,
    TxnOp,
    WriteOp,
)

Text = str | bytes
"""A key or value as callers give it; str stands for its UTF-8 bytes."""

Relation = Literal["==", "!=", "<", ">"]

_RELATIONS: dict[str, CompareResult] = {
    "==": CompareResult.EQUAL,
    "!=": CompareResult.NOT_EQUAL,
    "<": CompareResult.LESS,
    ">": CompareResult.GREATER,
}
_ID_MAX = 2**63 - 1
_FIELDS_BYTES = 24  # the other fields of a put, and the lengths
_SMALL_BYTES = 2 * limits.KEY_BYTES_MAX  # what has keys but no values
_encoder = msgspec.msgpack.Encoder()
FROM_KEY_END = b"\0"
"""The range end that stands for "no end"."""


def key_bytes(key: Text) -> bytes:
    """Return `key` as bytes.

    Raises:
        Misuse: empty, too long, or neither str nor bytes.
    """
    encoded = text_bytes(key)
    if not encoded:
        raise error_from(ErrorCode.EMPTY_KEY)
    if len(encoded) > limits.KEY_BYTES_MAX:
        raise error_from(
            ErrorCode.KEY_TOO_LARGE, f"{len(encoded)} bytes; {limits.KEY_BYTES_MAX} are allowed"
        )
    return encoded


def text_bytes(text: Text) -> bytes:
    """Return str as UTF-8 and bytes-like objects as bytes; Misuse for anything else."""
    if type(text) is bytes:
        return text
    if isinstance(text, str):
        try:
            return text.encode()
        except UnicodeEncodeError:
            detail = f"{text!r:.200} is no text that UTF-8 can express; give its bytes"
            raise Misuse(detail, ErrorCode.INVALID_OPTION) from None
    if isinstance(text, (bytes, bytearray, memoryview)):
        return bytes(text)
    raise Misuse(f"expected str or bytes, got {type(text).__name__}", ErrorCode.INVALID_OPTION)


def prefix_end(prefix: bytes) -> bytes:
    """Return the end of the range of all keys that start with `prefix`."""
    stripped = prefix.rstrip(b"\xff")
    if not stripped:
        return FROM_KEY_END
    return stripped[:-1] + bytes((stripped[-1] + 1,))


def key_range(
    key: Text, range_end: Text | None, prefix: bool, from_key: bool
) -> tuple[bytes, bytes]:
    """Return (key, range_end) of one key, a prefix, an explicit range or everything from a key on.

    An empty `key` with `prefix` or `from_key` means the whole store.

    Raises:
        Misuse: more than one of `range_end`, `prefix` and `from_key`; a bad key; an empty range.
    """
    if range_end is None and not prefix and not from_key:
        return key_bytes(key), b""
    if (range_end is not None) + prefix + from_key > 1:
        raise error_from(ErrorCode.INVALID_OPTION, "range_end, prefix and from_key exclude another")
    start = key_bytes(key) if key or range_end is not None else b"\0"
    if from_key or not key:
        return start, FROM_KEY_END
    if prefix:
        return start, prefix_end(start)
    assert range_end is not None
    end = text_bytes(range_end)
    if len(end) > limits.KEY_BYTES_MAX + 1:
        raise error_from(ErrorCode.KEY_TOO_LARGE, f"range_end of {len(end)} bytes")
    return start, end


def put(
    key: Text,
    value: Text = b"",
    *,
    lease: int = 0,
    prev_kv: bool = False,
    ignore_value: bool = False,
    ignore_lease: bool = False,
    sequence: bool = False,
    same_sequence: bool = False,
    claimed_from: Text = b"",
) -> Put:
    """Build a put; see `Client.put`, and `Put` for the last two options."""
    key = key_bytes(key)
    if type(value) is not bytes:
        value = text_bytes(value)
    if len(value) > limits.VALUE_BYTES_MAX:
        raise error_from(
            ErrorCode.VALUE_TOO_LARGE, f"{len(value)} bytes; {limits.VALUE_BYTES_MAX} are allowed"
        )
    if lease != 0:
        natural(lease=lease)
    if ignore_value and value:
        raise error_from(ErrorCode.VALUE_PROVIDED)
    if ignore_lease and lease:
        raise error_from(ErrorCode.LEASE_PROVIDED)
    if claimed_from:
        claimed_from = key_bytes(claimed_from)
    return Put(
        key, value, lease, prev_kv, ignore_value, ignore_lease, sequence, same_sequence,
        claimed_from or b"",
    )  # fmt: skip


def get(
    key: Text,
    *,
    range_end: Text | None = None,
    prefix: bool = False,
    from_key: bool = False,
    limit: int = 0,
    revision: int = 0,
    sort_order: SortOrder = SortOrder.NONE,
    sort_target: SortTarget = SortTarget.KEY,
    keys_only: bool = False,
    count_only: bool = False,
    min_mod_revision: int = 0,
    max_mod_revision: int = 0,
    min_create_revision: int = 0,
    max_create_revision: int = 0,
) -> Range:
    """Build a read; see `Client.get` for the meaning of the options."""
    start, end = key_range(key, range_end, prefix, from_key)
    natural(
        limit=limit,
        revision=revision,
        min_mod_revision=min_mod_revision,
        max_mod_revision=max_mod_revision,
        min_create_revision=min_create_revision,
        max_create_revision=max_create_revision,
    )
    return Range(
        start,
        end,
        limit,
        revision,
        sort_order,
        sort_target,
        keys_only,
        count_only,
        min_mod_revision,
        max_mod_revision,
        min_create_revision,
        max_create_revision,
    )


def delete(
    key: Text,
    *,
    range_end: Text | None = None,
    prefix: bool = False,
    from_key: bool = False,
    prev_kv: bool = False,
) -> DeleteRange:
    """Build a delete; see `Client.delete`."""
    start, end = key_range(key, range_end, prefix, from_key)
    return DeleteRange(start, end, prev_kv)


def claim(source: Text, target: Text, lease: int, limit: int = 1) -> Claim:
    """Build a claim of the first `limit` keys under `source`; see `Client.claim`."""
    if not 1 <= lease <= _ID_MAX:
        raise error_from(ErrorCode.INVALID_OPTION, f"a claim needs a lease, got {lease}")
    if not 1 <= limit <= limits.CLAIM_KEYS_MAX:
        raise error_from(
            ErrorCode.INVALID_OPTION, f"limit {limit}; 1 to {limits.CLAIM_KEYS_MAX} are allowed"
        )
    return Claim(key_bytes(source), key_bytes(target), lease, limit)


def give_back(key: Text, create_revision: int) -> GiveBack:
    """Build the return of one claimed key; see `Client.give_back`."""
    natural(create_revision=create_revision)
    return GiveBack(key_bytes(key), create_revision)


def txn(
    compare: Iterable[Compare] = (),
    success: Iterable[TxnOp] = (),
    failure: Iterable[TxnOp] = (),
) -> Txn:
    """Build a transaction, nested ones included; see `Client.txn`."""
    built = Txn(tuple(compare), tuple(success), tuple(failure))
    for part in (built.compare, built.success, built.failure):
        if len(part) > limits.TXN_OPS_MAX:
            raise error_from(
                ErrorCode.TOO_MANY_OPS, f"{len(part)}; {limits.TXN_OPS_MAX} are allowed"
            )
    for condition in built.compare:
        if not isinstance(condition, Compare):
            raise _wrong_kind("compare", condition)
    for operation in (*built.success, *built.failure):
        if not isinstance(operation, (Put, DeleteRange, Range, Txn, Claim, GiveBack)):
            raise _wrong_kind("operation", operation)
    return built


def grant(ttl_ms: int, lease: int = 0) -> LeaseGrant:
    """Build a lease grant; see `Client.grant`."""
    if not ttl_ms >= 1:
        raise error_from(ErrorCode.INVALID_OPTION, f"ttl_ms {ttl_ms}; at least 1")
    if ttl_ms > limits.LEASE_TTL_MS_MAX:
        raise error_from(
            ErrorCode.LEASE_TTL_TOO_LARGE, f"{ttl_ms} ms; {limits.LEASE_TTL_MS_MAX} are allowed"
        )
    natural(lease=lease)
    return LeaseGrant(ttl_ms, lease)


def is_read_only(request: Txn) -> bool:
    """Whether a transaction changes nothing whichever branch it takes, so needs no log entry."""
    return all(
        isinstance(operation, Range) or (isinstance(operation, Txn) and is_read_only(operation))
        for operation in (*request.success, *request.failure)
    )


def size_bytes(request: WriteOp) -> int:
    """Return about how many bytes `request` takes in a frame.

    Raises:
        Misuse: a transaction larger than one request may be, or what no request can hold.
    """
    if type(request) is Put:
        return len(request.key) + len(request.value) + _FIELDS_BYTES
    encoded_bytes = encodable_bytes(request)
    if type(request) is not Txn:
        return _SMALL_BYTES
    if encoded_bytes > limits.REQUEST_BYTES_MAX:
        raise error_from(
            ErrorCode.REQUEST_TOO_LARGE,
            f"{encoded_bytes} bytes; {limits.REQUEST_BYTES_MAX} are allowed",
        )
    return encoded_bytes


def encodable_bytes(request: WriteOp | ReadOp) -> int:
    """Return how many bytes `request` takes alone.

    Raises:
        Misuse: it holds what cannot be sent, such as a number of more than 64 bits. In a frame
            it would keep those beside it from leaving.
    """
    try:
        return len(_encoder.encode(request))
    except (OverflowError, TypeError, ValueError, RecursionError) as error:
        detail = f"{type(request).__name__} cannot be sent: {error}"
        raise error_from(ErrorCode.INVALID_OPTION, detail) from None


# --- conditions of a transaction ----------------------------------------------------------------


def version(key: Text, relation: Relation, number: int) -> Compare:
    """Compare how often `key` was written since it was made; 0 where there is no such key."""
    return _compare(key, CompareTarget.VERSION, relation, number)


def created(key: Text, relation: Relation, revision: int) -> Compare:
    """Compare the revision that made `key`; 0 where there is no such key."""
    return _compare(key, CompareTarget.CREATE, relation, revision)


def modified(key: Text, relation: Relation, revision: int) -> Compare:
    """Compare the revision that last wrote `key`; 0 where there is no such key."""
    return _compare(key, CompareTarget.MOD, relation, revision)


def leased(key: Text, relation: Relation, lease: int) -> Compare:
    """Compare the lease `key` hangs on; 0 for none."""
    return _compare(key, CompareTarget.LEASE, relation, lease)


def value(key: Text, relation: Relation, value: Text) -> Compare:
    """Compare the value of `key`; false where there is no such key."""
    return _compare(key, CompareTarget.VALUE, relation, text_bytes(value))


def exists(key: Text) -> Compare:
    """Require that `key` is there."""
    return created(key, ">", 0)


def missing(key: Text, *, prefix: bool = False) -> Compare:
    """Require that `key` is not there; with `prefix`, that no key begins with it."""
    compare = created(key, "==", 0)
    if not prefix:
        return compare
    return msgspec.structs.replace(compare, range_end=prefix_end(compare.key))


def _compare(key: Text, target: CompareTarget, relation: str, value: bytes | int) -> Compare:
    result = _RELATIONS.get(relation)
    if result is None:
        raise error_from(ErrorCode.INVALID_OPTION, f"relation {relation!r}; one of == != < >")
    if type(value) is not bytes and (not isinstance(value, int) or abs(value) > _ID_MAX):
        detail = f"{target.name.lower()} {value!r:.100}; a whole number of at most 63 bits"
        raise error_from(ErrorCode.INVALID_OPTION, detail)
    return Compare(key_bytes(key), target, result, value)


def natural(**numbers: object) -> None:
    """Check numbers that count or name something.

    Raises:
        Misuse: one is no int from 0 to 2**63 - 1; says which by the name it was passed under.
    """
    for name, number in numbers.items():
        if not isinstance(number, int) or not 0 <= number <= _ID_MAX:
            detail = f"{name} {number!r:.100}; a whole number from 0 to 2**63 - 1"
            raise error_from(ErrorCode.INVALID_OPTION, detail)


def _wrong_kind(place: str, found: object) -> Misuse:
    return Misuse(
        f"{type(found).__name__} is no {place} of a transaction; build it with coord.ops",
        ErrorCode.INVALID_OPTION,
    )
