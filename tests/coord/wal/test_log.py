"""The log and its recovery: what was written is found again, and nothing else."""

import errno

import pytest

from coord.errors import Corruption
from coord.raft.messages import HardState
from coord.testing.disk import SimulatedDisk
from coord.testing.logs import OWNER, TINY_FILES, entry, meta, reopen, save_snapshot, write
from coord.wal.record import padded
from coord.wal.segment import (
    HEAD_BYTES,
    segment_name,
    segment_number,
)
from coord.wal.wal import Wal


def opened(disk: SimulatedDisk) -> Wal:
    return Wal.open(disk, OWNER, TINY_FILES)


def segments(disk: SimulatedDisk) -> list[str]:
    return [name for name in disk.list() if segment_number(name) is not None]


def filled(disk: SimulatedDisk, count: int) -> None:
    wal = opened(disk)
    for index in range(1, count + 1):
        wal.log.append([write(index, entry(index, size_bytes=100), term=1, vote=22, commit=index)])
    wal.close()


def test_a_new_directory_is_empty() -> None:
    recovered = reopen(SimulatedDisk())
    assert recovered.hard_state == HardState()
    assert recovered.snapshot is None
    assert recovered.entries == ()


def test_what_was_written_is_found_again() -> None:
    disk = SimulatedDisk()
    wal = opened(disk)
    wal.log.append([write(1, entry(1), entry(2), term=3, vote=22), write(2, entry(3), term=3)])
    wal.close()
    recovered = reopen(disk)
    assert recovered.entries == (entry(1), entry(2), entry(3))
    assert recovered.hard_state == HardState(3, 0, 0)


def test_entries_replace_the_log_from_their_index_on() -> None:
    disk = SimulatedDisk()
    wal = opened(disk)
    wal.log.append([write(1, *(entry(index) for index in range(1, 6)))])
    wal.log.append([write(2, entry(3, term=2))])
    wal.close()
    assert reopen(disk).entries == (entry(1), entry(2), entry(3, term=2))


def test_the_log_goes_on_over_many_segments() -> None:
    disk = SimulatedDisk()
    filled(disk, 60)
    assert len(segments(disk)) > 3
    assert [found.index for found in reopen(disk).entries] == list(range(1, 61))


def test_opening_and_closing_changes_nothing() -> None:
    disk = SimulatedDisk()
    filled(disk, 20)
    first = reopen(disk)
    assert reopen(disk) == first


def test_a_record_larger_than_a_segment_has_one_to_itself() -> None:
    disk = SimulatedDisk()
    wal = opened(disk)
    wal.log.append([write(1, entry(1, size_bytes=5000))])
    wal.log.append([write(2, entry(2, size_bytes=5000))])
    wal.close()
    assert reopen(disk).entries == (entry(1, size_bytes=5000), entry(2, size_bytes=5000))


def test_a_write_too_large_for_one_record_is_split_and_found_whole() -> None:
    disk = SimulatedDisk()
    wal = opened(disk)
    big = [entry(index, size_bytes=6 << 20) for index in range(1, 5)]
    wal.log.append([write(1, *big, term=1)])
    wal.close()
    assert reopen(disk).entries == tuple(big)


def test_old_segments_go_when_a_snapshot_covers_them_and_the_vote_stays() -> None:
    disk = SimulatedDisk()
    filled(disk, 60)
    wal = opened(disk)
    save_snapshot(wal, meta(50), b"state at 50")
    wal.close()
    assert segment_name(1) not in segments(disk)
    recovered = reopen(disk)
    assert recovered.hard_state == HardState(1, 22, 60)
    assert recovered.snapshot == meta(50)
    assert [found.index for found in recovered.entries] == list(range(51, 61))


def test_log_bytes_count_what_no_snapshot_covers() -> None:
    disk = SimulatedDisk()
    wal = opened(disk)
    wal.log.append([write(1, *(entry(index, size_bytes=1000) for index in range(1, 11)))])
    assert 10_000 < wal.log.uncovered_bytes < 11_000
    save_snapshot(wal, meta(10), b"state")
    assert wal.log.uncovered_bytes < 300
    wal.close()


def test_a_gap_is_refused_before_it_reaches_the_disk() -> None:
    wal = opened(SimulatedDisk())
    with pytest.raises(AssertionError):
        wal.log.append([write(1, entry(2))])


def test_an_entry_below_the_snapshot_is_refused_before_it_reaches_the_disk() -> None:
    wal = opened(SimulatedDisk())
    wal.log.append([write(1, entry(1), entry(2), entry(3))])
    save_snapshot(wal, meta(2), b"state")
    with pytest.raises(AssertionError):
        wal.log.append([write(2, entry(2, term=2))])


def test_a_falling_term_is_refused_before_it_reaches_the_disk() -> None:
    wal = opened(SimulatedDisk())
    wal.log.append([write(1, term=5)])
    with pytest.raises(AssertionError):
        wal.log.append([write(2, term=4)])


def test_a_commit_hint_ahead_of_the_log_is_brought_back_to_it() -> None:
    disk = SimulatedDisk()
    wal = opened(disk)
    wal.log.append([write(1, entry(1), term=1, commit=9)])
    wal.close()
    assert reopen(disk).hard_state.commit == 1


def test_cut_at_every_byte_the_log_holds_exactly_the_records_before_the_cut() -> None:
    disk = SimulatedDisk()
    wal = opened(disk)
    name = segment_name(1)
    first_record_end = HEAD_BYTES + 32 + 32
    ends = [first_record_end]
    for index in range(1, 5):
        wal.log.append([write(index, entry(index, size_bytes=30 * index))])
        ends.append(ends[-1] + 32 + padded(22 + 30 * index))
    whole = disk.peek(name)
    wal.close()
    for cut in range(len(whole)):
        disk.poke(name, whole[:cut])
        if cut < first_record_end:
            # The head is durable before the file has its name: this is no unfinished write.
            with pytest.raises(Corruption, match=name):
                reopen(disk)
            continue
        held = sum(end <= cut for end in ends[1:])
        assert len(reopen(disk).entries) == held, f"cut at {cut}"


def test_after_a_cut_the_log_goes_on() -> None:
    disk = SimulatedDisk()
    filled(disk, 3)
    name = segments(disk)[-1]
    disk.poke(name, disk.peek(name).rstrip(b"\0")[:-40])
    wal = opened(disk)
    assert [found.index for found in wal.recovered.entries] == [1, 2]
    assert "cut" in wal.recovered.note
    wal.log.append([write(9, entry(3, term=2))])
    wal.close()
    recovered = reopen(disk)
    assert recovered.entries[-1] == entry(3, term=2)
    assert recovered.note == ""


def test_the_cut_bytes_are_kept_beside_the_segment() -> None:
    disk = SimulatedDisk()
    filled(disk, 3)
    name = segments(disk)[-1]
    torn = disk.peek(name).rstrip(b"\0")[:-40]
    disk.poke(name, torn)
    reopen(disk)
    assert torn.endswith(disk.peek(f"{name}.torn"))
    assert len(disk.peek(f"{name}.torn")) > 40


def test_a_failed_sync_leaves_a_tail_that_is_written_again_before_it_is_trusted() -> None:
    disk = SimulatedDisk()
    wal = opened(disk)
    wal.log.append([write(1, entry(1))])
    disk.fail(2, errno.EIO)
    with pytest.raises(OSError, match="Input/output"):
        wal.log.append([write(2, entry(2))])
    disk.kill()
    # The page cache shows entry 2 although the disk does not hold it.
    assert reopen(disk).entries == (entry(1), entry(2))
    disk.crash(lambda low, _high: low)
    assert reopen(disk).entries == (entry(1), entry(2))


def test_the_first_record_after_the_head_is_where_the_header_says() -> None:
    disk = SimulatedDisk()
    reopen(disk)
    data = disk.peek(segment_name(1))
    assert data[:8] == b"coordlog"
    assert data[HEAD_BYTES + 16 : HEAD_BYTES + 24] == (1).to_bytes(8, "little")
