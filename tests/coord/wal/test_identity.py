"""Whose directory: stored, checked, refused to others."""

import pytest

from coord.errors import Corruption, Misuse, Unavailable
from coord.ids import ClusterId, NodeId
from coord.testing.disk import SimulatedDisk
from coord.testing.logs import OWNER, TINY_FILES, entry, meta, reopen, save_snapshot, write
from coord.wal.identity import IDENTITY_NAME, Identity, decode_identity, encode_identity
from coord.wal.segment import segment_name
from coord.wal.wal import Wal


def used() -> SimulatedDisk:
    disk = SimulatedDisk()
    wal = Wal.open(disk, OWNER, TINY_FILES)
    wal.log.append([write(1, entry(1), term=1)])
    save_snapshot(wal, meta(1), b"state")
    wal.close()
    return disk


@pytest.mark.parametrize(
    "other",
    [
        Identity(ClusterId(12), OWNER.node),
        Identity(OWNER.cluster, NodeId(23)),
    ],
)
def test_another_node_or_cluster_is_refused(other: Identity) -> None:
    with pytest.raises(Misuse, match="node 16 of cluster b"):
        Wal.open(used(), other, TINY_FILES)


def test_a_directory_whose_log_is_gone_is_refused() -> None:
    disk = used()
    disk.erase(segment_name(1))
    with pytest.raises(Corruption, match="log is missing"):
        reopen(disk)


def test_a_directory_whose_identity_is_gone_is_refused() -> None:
    disk = used()
    disk.erase(IDENTITY_NAME)
    with pytest.raises(Corruption, match="identity"):
        reopen(disk)


def test_a_directory_with_only_a_snapshot_is_refused() -> None:
    disk = used()
    disk.erase(IDENTITY_NAME)
    disk.erase(segment_name(1))
    with pytest.raises(Corruption, match="identity"):
        reopen(disk)


def test_a_directory_whose_snapshot_is_gone_is_refused() -> None:
    disk = used()
    name = next(name for name in disk.list() if name.endswith(".snap"))
    disk.erase(name)
    with pytest.raises(Corruption, match=name):
        reopen(disk)


def test_every_flipped_bit_of_the_identity_is_refused() -> None:
    disk = used()
    for bit in range(len(disk.peek(IDENTITY_NAME)) * 8):
        disk.flip(IDENTITY_NAME, bit)
        with pytest.raises(Corruption, match=IDENTITY_NAME):
            reopen(disk)
        disk.flip(IDENTITY_NAME, bit)


def test_what_is_encoded_is_decoded() -> None:
    assert decode_identity(encode_identity(OWNER, 9)) == (OWNER, 9)


def test_a_second_opening_is_refused_until_the_first_is_closed() -> None:
    disk = used()
    wal = Wal.open(disk, OWNER, TINY_FILES)
    with pytest.raises(Unavailable, match="in use by process"):
        disk.lock()
    wal.close()
    reopen(disk)
