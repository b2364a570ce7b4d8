"""Tests of snapshots written while the store goes on serving."""

from coord.frames import Batch, WriteFrame
from coord.ids import ClusterId, LogIndex, NodeId
from coord.node.saving import Saving
from coord.node.settings import NodeSettings
from coord.raft.messages import Membership, SnapshotMeta
from coord.requests import Put
from coord.store.machine import Store
from coord.store.once import INTERNAL_WRITER
from coord.testing.lone_node import InstantStorage
from coord.wal.port import SnapshotSaved

_MEMBERS = Membership((1, 2, 3))
_TERM = 4


def _store(keys: int) -> Store:
    store = Store()
    ops = tuple(Put(b"k%04d" % number, b"v" * 500) for number in range(keys))
    store.apply(1, Batch(0, (WriteFrame(INTERNAL_WRITER, 0, 1, ops),)))
    return store


def _saving(storage: InstantStorage) -> Saving:
    settings = NodeSettings(
        cluster=ClusterId(1),
        node=NodeId(1),
        name="n1",
        client_address="tcp://h:1",
        members={1: ("n1", "tcp://h:2")},
        snapshot_chunk_bytes=1000,
    )
    return Saving(settings, storage, None)


def _finish(saving: Saving) -> None:
    while saving.busy:
        saving.go_on()


def test_late_word_of_a_snapshot_given_up_does_not_disturb_the_next_one() -> None:
    storage = InstantStorage()
    saving = _saving(storage)
    saving.want(LogIndex(5))
    assert saving.maybe_start(_store(10), LogIndex(5), _TERM, _MEMBERS)
    _finish(saving)
    given_up = SnapshotMeta(5, _TERM, _MEMBERS)
    saving.abandon()
    saving.replaced(SnapshotMeta(7, _TERM, _MEMBERS))
    saving.want(LogIndex(9))
    store = _store(20)
    assert saving.maybe_start(store, LogIndex(9), _TERM, _MEMBERS)
    saving.go_on()
    saving.saved(SnapshotSaved(given_up, 0))  # overtaken by what replaced the store
    assert not saving.maybe_start(store, LogIndex(9), _TERM, _MEMBERS)
    _finish(saving)
    assert b"".join(storage.saved) == b"".join(store.snapshot(1000))
    saving.saved(SnapshotSaved(SnapshotMeta(9, _TERM, _MEMBERS), 1000))
    assert saving.want(LogIndex(9)) is not None
