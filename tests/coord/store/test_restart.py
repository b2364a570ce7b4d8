"""A saved snapshot as the beginning of a new cluster, and what is told of one."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord.errors import ErrorCode, ProtocolError
from coord.frames import Batch, WriteFrame
from coord.model import KeyValue
from coord.requests import (
    Claim,
    DeleteRange,
    ErrorReply,
    LeaseGrant,
    LeaseGrantReply,
    LeaseTimeToLive,
    LeaseTimeToLiveReply,
    OpenWriter,
    Put,
    PutReply,
    Range,
    RangeReply,
    WriteOp,
)
from coord.store.machine import Store
from coord.store.restart import restarted, survey
from coord.store.restore import SnapshotLoader

BUMP = 1000
WRITER = 77


def apply(store: Store, *ops: WriteOp, time_ms: int = 0) -> tuple[object, ...]:
    frame = WriteFrame(1, 0, 0, ops)
    return store.apply(store.applied_index + 1, Batch(time_ms, (frame,))).replies[0]


def load(pieces: Iterable[bytes]) -> Store:
    loader = SnapshotLoader()
    for piece in pieces:
        loader.feed(piece)
    return loader.finish()


def lived_in() -> Store:
    """Return a store with history, a lease, a claim and a writer with a kept answer."""
    store = Store()
    store.apply(1, Batch(0, (WriteFrame(WRITER, 0, 0, (OpenWriter(),)),)))
    store.apply(2, Batch(5, (WriteFrame(WRITER, 0, 1, (Put(b"a", b"1"),)),)))
    (granted,) = apply(store, LeaseGrant(10_000), time_ms=10)
    assert isinstance(granted, LeaseGrantReply)
    apply(store, Put(b"a", b"2"), Put(b"gone", b"x"), Put(b"todo/1", b"job"), time_ms=20)
    apply(store, DeleteRange(b"gone"), Claim(b"todo/", b"held/", granted.lease), time_ms=1000)
    return store


def all_keys(store: Store) -> tuple[KeyValue, ...]:
    reply = store.read(Range(b"\0", b"\0"))
    assert isinstance(reply, RangeReply)
    return reply.kvs


def test_keys_leases_claims_and_time_are_kept() -> None:
    old = lived_in()
    new = load(restarted(old.snapshot(), BUMP))
    assert all_keys(new) == all_keys(old)
    assert (new.time_ms, new.lease_count) == (old.time_ms, 1)
    (held,) = (kv for kv in all_keys(new) if kv.key == b"held/1")
    left = new.read(LeaseTimeToLive(held.lease, True))
    assert isinstance(left, LeaseTimeToLiveReply)
    assert (left.remaining_ms, left.keys) == (9010, (b"held/1",))
    apply(new, time_ms=20_000)
    assert [kv.key for kv in all_keys(new)] == [b"a", b"todo/1"]


def test_the_revision_is_raised_and_what_was_before_is_compacted() -> None:
    old = lived_in()
    new = load(restarted(old.snapshot(), BUMP))
    assert new.revision == new.compact_revision == old.revision + BUMP
    for remembered in (2, old.revision, old.revision + BUMP - 1):
        reply = new.read(Range(b"a", revision=remembered))
        assert isinstance(reply, ErrorReply)
        assert reply.code == ErrorCode.COMPACTED
    (made,) = apply(new, Put(b"a", b"3"))
    assert isinstance(made, PutReply)
    assert made.revision == old.revision + BUMP + 1
    assert [kv.value for kv in all_keys(new) if kv.key == b"a"] == [b"3"]


def test_what_was_answered_before_is_not_repeated_as_if_it_still_stood() -> None:
    new = load(restarted(lived_in().snapshot(), BUMP))
    frame = WriteFrame(WRITER, 0, 1, (Put(b"a", b"1"),))
    (reply,) = new.apply(new.applied_index + 1, Batch(0, (frame,))).replies[0]
    assert isinstance(reply, ErrorReply)
    assert reply.code == ErrorCode.WRITER_EXPIRED


def test_a_restarted_store_is_a_store_like_any_other() -> None:
    new = load(restarted(lived_in().snapshot(), BUMP))
    again = load(new.snapshot())
    assert again.digest() == new.digest()
    twice = load(restarted(new.snapshot(), BUMP))
    assert twice.revision == new.revision + BUMP
    assert all_keys(twice) == all_keys(new)


@pytest.mark.parametrize("taken", [(), (b"\0",), (b"\0", b"\0\0"), (b"\0", b"\0\0\0")])
def test_the_revision_of_the_restart_touches_no_living_key(taken: tuple[bytes, ...]) -> None:
    old = Store()
    apply(old, *(Put(key, b"mine") for key in (*taken, b"z")))
    new = load(restarted(old.snapshot(), BUMP))
    assert all_keys(new) == all_keys(old)
    (events,) = new.events(new.revision, new.revision)
    assert not {event.kv.key for event in events} & {*taken, b"z"}


def test_an_empty_store_can_be_restarted() -> None:
    new = load(restarted(Store().snapshot(), 1))
    assert (new.revision, new.key_count) == (2, 0)


def test_a_survey_tells_what_is_there_without_a_store() -> None:
    store = lived_in()
    pieces = list(store.snapshot())
    found = survey(pieces)
    assert (found.revision, found.keys, found.leases) == (store.revision, 2, 1)
    assert found.applied_index == store.applied_index
    assert found.size_bytes == sum(map(len, pieces))
    assert found.digest == survey([b"".join(pieces)]).digest


@given(st.data())
def test_a_damaged_snapshot_is_neither_surveyed_nor_restarted(data: st.DataObject) -> None:
    whole = bytearray(b"".join(lived_in().snapshot()))
    at = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        whole[at] ^= data.draw(st.integers(1, 255))
    else:
        del whole[at:]
    with pytest.raises(ProtocolError):
        survey([bytes(whole)])
    with pytest.raises(ProtocolError):
        list(restarted([bytes(whole)]))


def test_a_missing_part_is_noticed() -> None:
    store = lived_in()
    pieces = list(store.snapshot(chunk_bytes=16))
    assert len(pieces) > 3
    with pytest.raises(ProtocolError):
        survey([*pieces[:2], *pieces[3:]])
