"""Snapshot files of a node: saved, sent, received, replaced."""

import errno

import pytest

from coord import limits
from coord.ids import NodeId
from coord.raft.messages import (
    ChunkRead,
    ChunkReceived,
    ChunkStored,
    ChunkWanted,
    SnapshotInstalled,
    SnapshotMeta,
)
from coord.testing.disk import SimulatedDisk
from coord.testing.log_driver import raw_snapshot
from coord.testing.logs import OWNER, TINY_FILES, entry, meta, save_snapshot, write
from coord.wal.items import SnapshotMark
from coord.wal.port import SnapshotSaved
from coord.wal.shelf import SnapshotShelf, open_chunks
from coord.wal.wal import Wal


def empty_shelf(disk: SimulatedDisk) -> SnapshotShelf:
    return SnapshotShelf(disk, OWNER, None)


def received(at: SnapshotMeta, raw: bytes, start: int, stop: int) -> ChunkReceived:
    return ChunkReceived(at, len(raw), start, raw[start:stop], stop >= len(raw), True)


def test_a_peer_reads_the_file_byte_for_byte_and_can_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "SNAPSHOT_CHUNK_BYTES", 50)
    disk, other = SimulatedDisk(seed=1), SimulatedDisk(seed=2)
    sender = Wal.open(disk, OWNER, TINY_FILES)
    sender.log.append([write(1, entry(1), term=1)])
    save_snapshot(sender, meta(1), b"one", b"two" * 40)
    receiver = empty_shelf(other)
    offset = 0
    while True:
        read = sender.shelf.read_chunk(ChunkWanted(NodeId(3), meta(1), offset))
        assert read.to == 3
        last = offset + len(read.chunk) == read.total_bytes
        result = receiver.store_chunk(
            ChunkReceived(read.meta, read.total_bytes, offset, read.chunk, last, True)
        )
        offset += len(read.chunk)
        if last:
            break
        assert result == ChunkStored(meta(1), offset)
    assert isinstance(result, SnapshotMark)
    receiver.adopt(result)
    assert list(open_chunks(other, result)) == [b"one", b"two" * 40]


def test_a_snapshot_that_is_not_there_is_told_as_gone() -> None:
    read = empty_shelf(SimulatedDisk()).read_chunk(ChunkWanted(NodeId(3), meta(1), 0))
    assert read == ChunkRead(NodeId(3), meta(1), 0, 0, b"")


def test_a_replaced_snapshot_can_still_be_read_by_a_peer_half_way_through() -> None:
    disk = SimulatedDisk()
    wal = Wal.open(disk, OWNER, TINY_FILES)
    wal.log.append([write(1, entry(1), entry(2), entry(3), term=1)])
    for index in (1, 2, 3):
        save_snapshot(wal, meta(index), b"state %d" % index)
    old = wal.shelf.read_chunk(ChunkWanted(NodeId(3), meta(2), 10))
    assert old.total_bytes > 0
    assert wal.shelf.read_chunk(ChunkWanted(NodeId(3), meta(1), 0)).total_bytes == 0
    assert len([name for name in disk.list() if name.endswith(".snap")]) == 1


def test_a_chunk_out_of_order_is_answered_with_what_is_there() -> None:
    raw = raw_snapshot(meta(4), b"x" * 200)
    shelf = empty_shelf(SimulatedDisk())
    assert shelf.store_chunk(received(meta(4), raw, 50, 100)) == ChunkStored(meta(4), 0)
    assert shelf.store_chunk(received(meta(4), raw, 0, 50)) == ChunkStored(meta(4), 50)
    assert shelf.store_chunk(received(meta(4), raw, 100, 150)) == ChunkStored(meta(4), 50)
    assert shelf.store_chunk(received(meta(4), raw, 50, 100)) == ChunkStored(meta(4), 100)
    assert shelf.store_chunk(received(meta(4), raw, 50, 100)) == ChunkStored(meta(4), 100)
    assert isinstance(shelf.store_chunk(received(meta(4), raw, 100, 999)), SnapshotMark)


def test_a_new_transfer_replaces_one_under_way() -> None:
    disk = SimulatedDisk()
    shelf = empty_shelf(disk)
    raw = raw_snapshot(meta(4), b"x" * 200)
    newer = raw_snapshot(meta(6), b"y" * 200)
    shelf.store_chunk(received(meta(4), raw, 0, 50))
    assert isinstance(shelf.store_chunk(received(meta(6), newer, 0, 999)), SnapshotMark)
    assert shelf.store_chunk(received(meta(4), raw, 50, 999)) == ChunkStored(meta(4), 0)
    assert [name for name in disk.list() if name.endswith(".tmp")] == []


@pytest.mark.parametrize("fault", ["cut", "flipped", "other meta", "too long", "other cluster"])
def test_a_bad_transfer_is_refused_and_leaves_nothing(fault: str) -> None:
    disk = SimulatedDisk()
    wal = Wal.open(disk, OWNER, TINY_FILES)
    wal.log.append([write(1, entry(1), term=1)])
    save_snapshot(wal, meta(1), b"old state")
    before = disk.list()
    raw = bytearray(raw_snapshot(meta(4), b"x" * 200))
    at, total = meta(4), len(raw)
    if fault == "cut":
        del raw[-10:]
        total = len(raw)
    elif fault == "flipped":
        raw[100] ^= 1
    elif fault == "other meta":
        at = meta(5)
    elif fault == "too long":
        total -= 1
    else:
        raw[16] ^= 1
    result = wal.shelf.store_chunk(ChunkReceived(at, total, 0, bytes(raw), True, True))
    assert result == SnapshotInstalled(at, accepted=False)
    assert disk.list() == before
    current = wal.shelf.current
    assert current is not None
    assert list(open_chunks(disk, current)) == [b"old state"]


def test_an_older_snapshot_than_the_one_here_is_refused() -> None:
    wal = Wal.open(SimulatedDisk(), OWNER, TINY_FILES)
    wal.log.append([write(1, *(entry(index) for index in range(1, 6)), term=1)])
    save_snapshot(wal, meta(5), b"state")
    raw = raw_snapshot(meta(4), b"older")
    result = wal.shelf.store_chunk(received(meta(4), raw, 0, 999))
    assert result == SnapshotInstalled(meta(4), accepted=False)


def test_a_save_overtaken_by_an_installed_snapshot_is_dropped_and_says_so() -> None:
    disk = SimulatedDisk()
    shelf = empty_shelf(disk)
    assert shelf.save_chunk(meta(3), b"one", last=False) is None
    mark = shelf.store_chunk(received(meta(9), raw_snapshot(meta(9), b"new"), 0, 999))
    assert isinstance(mark, SnapshotMark)
    shelf.adopt(mark)
    assert shelf.save_chunk(meta(3), b"two", last=True) == SnapshotSaved(meta(3), 0)
    assert disk.list() == [mark.name]


def test_an_abandoned_save_leaves_nothing_and_the_next_starts_afresh() -> None:
    disk = SimulatedDisk()
    shelf = empty_shelf(disk)
    shelf.save_chunk(meta(3), b"one", last=False)
    shelf.abandon_save()
    assert disk.list() == []
    mark = shelf.save_chunk(meta(3), b"two", last=True)
    assert isinstance(mark, SnapshotMark)
    assert list(open_chunks(disk, mark)) == [b"two"]


@pytest.mark.parametrize("call", range(1, 9))
def test_a_save_without_space_is_given_up_and_says_so(call: int) -> None:
    disk = SimulatedDisk()
    shelf = empty_shelf(disk)
    disk.fail(call, errno.ENOSPC)
    results = [shelf.save_chunk(meta(3), bytes([n]) * 9, last=n == 3) for n in range(4)]
    assert results == [None, None, None, SnapshotSaved(meta(3), 0)]
    assert [name for name in disk.list() if name.endswith(".tmp")] == []
    retried = shelf.save_chunk(meta(4), b"again", last=True)
    assert isinstance(retried, SnapshotMark)


def test_a_transfer_without_space_is_refused() -> None:
    disk = SimulatedDisk()
    shelf = empty_shelf(disk)
    disk.fail(2, errno.ENOSPC)
    raw = raw_snapshot(meta(4), b"x" * 200)
    result = shelf.store_chunk(received(meta(4), raw, 0, 50))
    assert result == SnapshotInstalled(meta(4), accepted=False)
    assert disk.list() == []
