"""Crashes, full disks and failed syncs at every single call to the disk.

Each script is run once to count its calls; then again and again, with a crash or fault at each of
them and different luck for what survives. After each the directory is opened and compared with a
plainly kept log: what was acknowledged must be there, and what is there must have been written.
"""

import contextlib
import errno
from collections.abc import Callable
from random import Random

import pytest

from coord.testing.disk import SimulatedCrash, SimulatedDisk
from coord.testing.log_driver import LogDriver, raw_snapshot
from coord.testing.logs import entry, meta, reopen, write

Script = Callable[[LogDriver], None]


RAW_8 = raw_snapshot(meta(8, term=2), b"state of another ", b"member")
RAW_30 = raw_snapshot(meta(30, term=2), b"another state of another member")


def create(driver: LogDriver) -> None:
    driver.open()


def append(driver: LogDriver) -> None:
    driver.open()
    driver.write(write(1, entry(1, size_bytes=700), term=1, vote=22))
    driver.write(write(2, entry(2), entry(3)))
    driver.write(write(3, entry(2, term=2, size_bytes=600), term=2))


def rotate(driver: LogDriver) -> None:
    driver.open()
    for index in range(1, 8):
        driver.write(write(index, entry(index, size_bytes=500), term=index, vote=22))


def compact(driver: LogDriver) -> None:
    rotate(driver)
    driver.save(meta(3), b"one ", b"two")
    driver.write(write(8, entry(8, size_bytes=500)))
    driver.save(meta(8), b"three")
    driver.write(write(9, entry(9), term=9))


def install_keeping(driver: LogDriver) -> None:
    rotate(driver)
    driver.write(write(8, entry(8, term=2), entry(9, term=2)))
    driver.install(meta(8, term=2), RAW_8, keep_suffix=True)
    driver.write(write(9, entry(10), term=9))


def install_discarding(driver: LogDriver) -> None:
    rotate(driver)
    driver.save(meta(2), b"older")
    driver.write(write(8, entry(8), entry(9)))
    driver.install(meta(8, term=2), RAW_8, keep_suffix=False)
    driver.write(write(9, entry(9, term=9), term=9))


def install_ahead(driver: LogDriver) -> None:
    rotate(driver)
    if not driver.install(meta(30, term=2), RAW_30, keep_suffix=True):
        return
    driver.write(write(9, entry(31, term=9, size_bytes=900), term=9))
    driver.write(write(10, entry(32, term=9, size_bytes=900)))


def reopen_and_go_on(driver: LogDriver) -> None:
    compact(driver)
    assert driver.wal is not None
    driver.wal.close()
    driver.open()
    driver.write(write(10, entry(10, size_bytes=900)))


SCRIPTS = (
    create,
    append,
    rotate,
    compact,
    install_keeping,
    install_discarding,
    install_ahead,
    reopen_and_go_on,
)


def calls_of(script: Script) -> int:
    disk = SimulatedDisk()
    script(LogDriver(disk))
    return disk.calls


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.__name__)
def test_a_crash_at_any_call_loses_nothing_acknowledged(script: Script) -> None:
    for call in range(1, calls_of(script) + 1):
        for seed in range(4):
            driver = LogDriver(SimulatedDisk())
            driver.disk.crash_at(call)
            with pytest.raises(SimulatedCrash):
                script(driver)
            driver.disk.crash(Random(f"{call}/{seed}").randint)
            driver.check()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.__name__)
def test_a_crash_while_recovering_from_a_crash_loses_nothing_acknowledged(script: Script) -> None:
    calls = calls_of(script)
    for seed in range(40):
        luck = Random(seed)
        driver = LogDriver(SimulatedDisk())
        driver.disk.crash_at(luck.randint(1, calls))
        with pytest.raises(SimulatedCrash):
            script(driver)
        driver.disk.crash(luck.randint)
        for again in range(1, 30):
            driver.disk.crash_at(again)
            with contextlib.suppress(SimulatedCrash):
                reopen(driver.disk)
            driver.disk.crash(luck.randint)
        driver.check()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.__name__)
def test_the_end_of_the_process_at_any_call_loses_nothing_acknowledged(script: Script) -> None:
    for call in range(1, calls_of(script) + 1):
        driver = LogDriver(SimulatedDisk())
        driver.disk.crash_at(call)
        with pytest.raises(SimulatedCrash):
            script(driver)
        driver.disk.kill()
        driver.check()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.__name__)
def test_an_io_error_at_any_call_is_raised_and_what_was_acknowledged_stays(script: Script) -> None:
    for call in range(1, calls_of(script) + 1):
        driver = LogDriver(SimulatedDisk())
        driver.disk.fail(call, errno.EIO)
        with pytest.raises(OSError, match="Input/output"):
            script(driver)
        driver.disk.kill()
        driver.disk.crash(Random(call).randint)
        driver.check()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.__name__)
def test_a_disk_full_for_one_call_leaves_nothing_half_written(script: Script) -> None:
    for call in range(1, calls_of(script) + 1):
        driver = LogDriver(SimulatedDisk())
        driver.disk.fail(call, errno.ENOSPC)
        with contextlib.suppress(OSError):
            script(driver)
        driver.disk.kill()
        driver.disk.crash(Random(call).randint)
        driver.check()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.__name__)
def test_a_disk_full_for_good_ends_in_an_error_and_what_was_acknowledged_stays(
    script: Script,
) -> None:
    for call in range(1, calls_of(script) + 1):
        driver = LogDriver(SimulatedDisk())
        driver.disk.fail(call, errno.ENOSPC, forever=True)
        with contextlib.suppress(OSError):
            script(driver)
        driver.disk.kill()
        driver.disk.crash(Random(call).randint)
        driver.check()


def test_a_full_disk_lets_the_write_under_way_end_by_giving_up_the_reserve() -> None:
    driver = LogDriver(SimulatedDisk())
    driver.open()
    driver.write(write(1, entry(1), term=1))
    assert "reserve" in driver.disk.list()
    driver.disk.capacity_bytes = sum(len(driver.disk.peek(n)) for n in driver.disk.list())
    driver.write(write(2, entry(2, size_bytes=700)))
    assert "reserve" not in driver.disk.list()
    driver.disk.kill()
    driver.check()


def test_without_space_and_reserve_a_write_fails_and_leaves_the_log_as_it_was() -> None:
    driver = LogDriver(SimulatedDisk())
    driver.open()
    driver.write(write(1, entry(1), term=1))
    driver.disk.capacity_bytes = sum(len(driver.disk.peek(n)) for n in driver.disk.list())
    with pytest.raises(OSError, match="No space"):
        driver.write(write(2, entry(2, size_bytes=5000)))
    driver.disk.kill()
    found = reopen(driver.disk)
    assert found.entries == (entry(1),)
    assert found.note == ""
