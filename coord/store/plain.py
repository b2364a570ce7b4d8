"""The short way for plain puts: the store's hottest loop, and nothing else.

It repeats the simplest case of `Keyspace.write` and `commit` in line, for a put with no option
set on a key without a lease: one revision, one record, one reply each. Everything else is left
to the general way; both must stay the same to an observer (a property test holds them to it).
"""

from collections.abc import Iterator

from coord.model import KeyValue
from coord.requests import Put, PutReply, Reply, WriteOp
from coord.store.history import CHUNK_REVISIONS
from coord.store.keyspace import Keyspace


def put_plainly(
    space: Keyspace, ops: Iterator[WriteOp], replies: list[Reply]
) -> WriteOp | None:  # fmt: skip
    """Do the plain puts at the head of `ops`.

    Args:
        space: with nothing pending.
        ops: what is left of one frame; advanced past what was done and the returned one.
        replies: where a reply per put done is appended.

    Returns:
        The first operation that is not a plain put, None at the end.
    """
    history, latest, tombstones = space.history, space.latest, space.tombstones
    get, fresh, answered = latest.get, space.live.fresh, replies.append
    records, befores = history.records[-1], history.befores[-1]
    revision = history.revision
    other: WriteOp | None = None
    for op in ops:
        if (
            type(op) is not Put
            or op.lease or op.prev_kv or op.ignore_value or op.ignore_lease or op.sequence
            or op.same_sequence
        ):  # fmt: skip
            other = op
            break
        key = op.key
        before = get(key)
        if before is None:
            revision += 1
            kv = KeyValue(key, op.value, revision, revision, 1)
            if tombstones and (before := tombstones.pop(key, None)) is not None:
                space.deleted.remove(key)
            fresh.add(key)
        elif before.lease:
            other = op
            break
        else:
            revision += 1
            key = before.key  # the same object again: the new one can go
            kv = KeyValue(
                key, op.value, before.create_revision, revision, before.version + 1, 0,
                before.claims,
            )  # fmt: skip
        latest[key] = kv
        if len(records) == CHUNK_REVISIONS:
            history.revision = revision
            history.push(kv, before)
            records, befores = history.records[-1], history.befores[-1]
        else:
            records.append(kv)
            befores.append(before)
        answered(PutReply(revision))
    history.revision = revision
    return other
