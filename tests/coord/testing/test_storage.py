"""The simulated storage: answers come late, a crash any time, and nothing answered is lost."""

from random import Random

from coord.ids import NodeId
from coord.raft.messages import ChunkRead, ChunkReceived, ChunkWanted, SnapshotInstalled, Written
from coord.testing.disk import SimulatedDisk
from coord.testing.log_driver import raw_snapshot
from coord.testing.logs import OWNER, entry, meta, write
from coord.testing.storage import SimulatedStorage
from coord.wal.port import SnapshotSaved


def on(disk: SimulatedDisk) -> SimulatedStorage:
    return SimulatedStorage(disk, OWNER, wake=lambda: None)


def test_nothing_is_answered_or_on_disk_before_a_step() -> None:
    disk = SimulatedDisk()
    storage = on(disk)
    calls = disk.calls
    storage.write(write(1, entry(1), term=1))
    assert (storage.poll(), storage.waiting, disk.calls) == ([], 1, calls)
    storage.complete(1)
    assert storage.poll() == [Written(1)]


def test_writes_that_wait_are_taken_together() -> None:
    disk = SimulatedDisk()
    storage = on(disk)
    calls = disk.calls
    for ticket in range(1, 6):
        storage.write(write(ticket, entry(ticket)))
    storage.complete(1)
    assert storage.poll() == [Written(ticket) for ticket in range(1, 6)]
    assert disk.calls == calls + 2


def test_a_snapshot_is_saved_sent_and_installed() -> None:
    storage = on(SimulatedDisk())
    storage.write(write(1, entry(1), entry(2), term=1))
    storage.save_chunk(meta(1), b"one", last=False)
    assert storage.saving_backlog_bytes == 3
    storage.save_chunk(meta(1), b"two", last=True)
    storage.complete()
    written, saved = storage.poll()
    assert isinstance(saved, SnapshotSaved)
    storage.read_chunk(ChunkWanted(NodeId(3), meta(1), 0))
    storage.complete()
    (read,) = storage.poll()
    assert isinstance(read, ChunkRead)
    assert len(read.chunk) == saved.size_bytes
    raw = raw_snapshot(meta(9), b"leader's")
    storage.store_chunk(ChunkReceived(meta(9), len(raw), 0, raw, True, keep_suffix=False))
    storage.complete()
    assert storage.poll() == [SnapshotInstalled(meta(9))]
    assert list(storage.open_snapshot()) == [b"leader's"]
    assert storage.saving_backlog_bytes == 0
    assert written == Written(1)


def test_a_crash_in_the_middle_keeps_what_was_answered_and_answers_no_more() -> None:
    for calls in range(12):
        disk = SimulatedDisk()
        storage = on(disk)
        storage.write(write(1, entry(1), term=1))
        storage.complete()
        storage.write(write(2, entry(2, size_bytes=70_000)))
        storage.save_chunk(meta(1), b"state", last=True)
        storage.crash(Random(calls).randint, calls)
        assert [answer for answer in storage.poll() if answer != Written(1)] == []
        found = on(disk).recovered
        assert found.snapshot == meta(1) or found.entries[0] == entry(1)
        assert {found.index for found in found.entries} <= {1, 2}
