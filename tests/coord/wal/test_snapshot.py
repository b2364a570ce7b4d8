"""Snapshot files: whole or refused."""

import hashlib

import pytest

from coord.errors import Corruption
from coord.testing.disk import SimulatedDisk
from coord.testing.log_driver import raw_snapshot
from coord.testing.logs import OWNER, meta
from coord.wal.disk import File
from coord.wal.snapshot import CHUNK_BYTES_MAX, SnapshotWriter, read_chunks, read_digest, read_head


def file_of(data: bytes) -> File:
    disk = SimulatedDisk()
    disk.poke("raw", data)
    return disk.open("raw")


def test_what_is_written_is_read() -> None:
    file = file_of(raw_snapshot(meta(5), b"one", b"", b"two", bytes(100_000)))
    assert list(read_chunks(file)) == [b"one", b"two", bytes(100_000)]
    head = read_head(file)
    assert (head.cluster, head.meta) == (OWNER.cluster, meta(5))


def test_a_snapshot_of_nothing_is_a_snapshot() -> None:
    assert list(read_chunks(file_of(raw_snapshot(meta(5))))) == []


def test_the_digest_is_that_of_all_bytes_before_it() -> None:
    raw = raw_snapshot(meta(5), b"one")
    assert read_digest(file_of(raw)) == hashlib.sha256(raw[:-32]).digest()


def test_every_cut_is_refused() -> None:
    raw = raw_snapshot(meta(5), b"one", b"two" * 30)
    for cut in range(len(raw)):
        with pytest.raises(Corruption):
            list(read_chunks(file_of(raw[:cut])))


def test_every_flipped_bit_is_refused() -> None:
    raw = raw_snapshot(meta(5), b"one", b"two" * 30)
    for bit in range(len(raw) * 8):
        damaged = bytearray(raw)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(Corruption):
            list(read_chunks(file_of(bytes(damaged))))


def test_bytes_after_the_end_are_refused() -> None:
    with pytest.raises(Corruption, match="trailer"):
        list(read_chunks(file_of(raw_snapshot(meta(5), b"one") + b"\0")))


def test_a_chunk_length_beyond_the_bound_is_refused_unread() -> None:
    raw = bytearray(raw_snapshot(meta(5), b"one"))
    start = read_head(file_of(bytes(raw))).size_bytes
    raw[start : start + 4] = (CHUNK_BYTES_MAX + 1).to_bytes(4, "little")
    with pytest.raises(Corruption, match=f"at {start}: snapshot chunk is damaged"):
        list(read_chunks(file_of(bytes(raw))))


def test_a_large_snapshot_is_synced_on_the_way() -> None:
    disk = SimulatedDisk()
    writer = SnapshotWriter(disk.create("s"), OWNER.cluster, meta(5))
    for _ in range(9):
        writer.add(bytes(1 << 20))
    assert list(disk.trace).count("sync s") == 2
    writer.finish()
    assert list(disk.trace).count("sync s") == 3
