"""The simulated disk forgets what it should and keeps what it must."""

import errno
from random import Random

import pytest

from coord.testing.disk import SECTOR_BYTES, SimulatedCrash, SimulatedDisk


def keep_nothing(low: int, _high: int) -> int:
    return low


def keep_all(_low: int, high: int) -> int:
    return high


def durable_file(disk: SimulatedDisk, data: bytes) -> None:
    file = disk.create("f")
    file.write(0, [data])
    file.sync()
    disk.sync_directory()


def test_synced_bytes_under_a_synced_name_survive_a_crash() -> None:
    disk = SimulatedDisk()
    durable_file(disk, b"kept")
    disk.crash(keep_nothing)
    assert disk.peek("f") == b"kept"


def test_a_name_that_was_not_synced_may_be_lost() -> None:
    disk = SimulatedDisk()
    file = disk.create("f")
    file.write_durable(0, [b"data"])
    disk.crash(keep_nothing)
    assert disk.list() == []
    assert disk.lost_names == 1


def test_unsynced_bytes_are_kept_in_whole_sectors_torn_and_counted() -> None:
    disk = SimulatedDisk()
    durable_file(disk, bytes(8 * SECTOR_BYTES))
    disk.open("f").write(0, [b"x" * (8 * SECTOR_BYTES)])
    disk.crash(Random(3).randint)
    data = disk.peek("f")
    sectors = [data[start : start + SECTOR_BYTES] for start in range(0, len(data), SECTOR_BYTES)]
    assert set(sectors) == {bytes(SECTOR_BYTES), b"x" * SECTOR_BYTES}
    assert disk.torn_writes == 1
    assert disk.lost_bytes == sectors.count(bytes(SECTOR_BYTES)) * SECTOR_BYTES


def test_a_failed_sync_leaves_bytes_readable_that_no_later_sync_saves() -> None:
    disk = SimulatedDisk()
    durable_file(disk, b"old")
    file = disk.open("f")
    file.write(0, [b"new"])
    disk.fail(1, errno.EIO)
    with pytest.raises(OSError, match="Input/output"):
        file.sync()
    file.sync()
    assert file.read(0, 3) == b"new"
    disk.crash(keep_all)
    assert disk.peek("f") == b"old"


def test_the_files_of_a_process_that_died_can_no_longer_be_used() -> None:
    disk = SimulatedDisk()
    durable_file(disk, b"data")
    file = disk.open("f")
    disk.kill()
    with pytest.raises(SimulatedCrash):
        file.write(0, [b"late"])
    assert disk.peek("f") == b"data"


def test_a_full_disk_refuses_growth_and_nothing_else() -> None:
    disk = SimulatedDisk(capacity_bytes=10)
    durable_file(disk, b"0123456789")
    file = disk.open("f")
    file.write(0, [b"9"])
    with pytest.raises(OSError, match="No space"):
        file.write(10, [b"x"])
    assert disk.free_bytes() == 0


def test_the_same_luck_leaves_the_same_disk() -> None:
    def survivors(seed: int) -> bytes:
        disk = SimulatedDisk()
        durable_file(disk, bytes(9000))
        disk.open("f").write(100, [b"y" * 8000])
        disk.crash(Random(seed).randint)
        return disk.peek("f")

    assert survivors(5) == survivors(5)
    assert survivors(5) != survivors(6)
