"""Damage to the log: flipped bits, holes, lost, exchanged and foreign segments are refused."""

import pytest

from coord.errors import Corruption
from coord.raft.messages import HardState
from coord.testing.disk import SimulatedDisk
from coord.testing.logs import OWNER, TINY_FILES, entry, meta, reopen, save_snapshot, write
from coord.wal import record
from coord.wal.items import Marked, decode_items
from coord.wal.port import Recovered
from coord.wal.segment import (
    HEAD_BYTES,
    SEAL_RECORD_BYTES,
    decode_head,
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


def outcome(disk: SimulatedDisk) -> Recovered | str:
    """What opening finds, or why it refuses."""
    try:
        return reopen(disk)
    except Corruption as error:
        return str(error)


def test_every_flipped_bit_of_a_finished_segment_is_refused() -> None:
    disk = SimulatedDisk()
    filled(disk, 25)
    name, successor = segments(disk)[:2]
    whole = disk.peek(name)
    before = reopen(disk)
    # The seal at the end says nothing, and a crash may have cut it short.
    seal = decode_head(disk.peek(successor)).previous_end
    for bit in range(0, len(whole) * 8, 7):
        disk.flip(name, bit)
        found = outcome(disk)
        if seal <= bit // 8 < seal + SEAL_RECORD_BYTES:
            assert found == before, f"bit {bit}"
        else:
            assert isinstance(found, str), f"bit {bit}"
            assert name in found, f"bit {bit}"
        disk.flip(name, bit)


def test_every_flipped_bit_of_the_last_segment_is_refused_and_nothing_is_cut() -> None:
    disk = SimulatedDisk()
    filled(disk, 6)
    name = segments(disk)[-1]
    size = len(disk.peek(name))
    written = len(disk.peek(name).rstrip(b"\0"))
    before = reopen(disk)
    for bit in range(0, size * 8, 3):
        original = disk.peek(name)
        disk.flip(name, bit)
        found = outcome(disk)
        if bit // 8 < written:
            # Its sectors are all there, so it is no write cut short: refused, not cut.
            assert isinstance(found, str), f"bit {bit}"
        else:
            assert isinstance(found, str) or found.entries == before.entries, f"bit {bit}"
        disk.poke(name, original)


def test_a_hole_that_looks_like_a_cut_is_refused_when_a_record_stands_after_it() -> None:
    disk = SimulatedDisk()
    filled(disk, 6)
    name = segment_name(1)
    whole = disk.peek(name)
    disk.poke(name, whole[:512] + bytes(512) + whole[1024:])
    with pytest.raises(Corruption, match="one after it stands at"):
        reopen(disk)


def test_a_finished_segment_that_lost_its_last_record_is_refused() -> None:
    disk = SimulatedDisk()
    wal = opened(disk)
    end = 0
    ticket = 0
    while segment_name(2) not in disk.list():
        ticket += 1
        before, end = end, len(disk.peek(segment_name(1)).rstrip(b"\0"))
        wal.log.append([write(ticket, term=ticket, vote=22)])
    wal.close()
    # Without entries, only the chain can tell that a vote is missing.
    whole = disk.peek(segment_name(1))
    start = before + -before % 8
    disk.poke(segment_name(1), whole[:start] + bytes(len(whole) - start))
    with pytest.raises(Corruption, match="the segment went on to"):
        reopen(disk)


def test_each_segment_repeats_the_snapshot_mark_and_the_vote() -> None:
    disk = SimulatedDisk()
    wal = opened(disk)
    wal.log.append([write(1, entry(1), term=4, vote=22)])
    save_snapshot(wal, meta(1), b"state")
    wal.log.append([write(2, entry(2, size_bytes=5000))])
    wal.close()
    name = segments(disk)[-1]
    data = disk.peek(name)
    body, _ = record.decode(data, HEAD_BYTES, decode_head(data).link)
    state, marked = decode_items(body)
    assert state == HardState(4, 22, 0)
    assert isinstance(marked, Marked)
    assert marked.mark.meta == meta(1)


def test_a_segment_of_a_life_that_went_another_way_is_refused() -> None:
    disk, other = SimulatedDisk(seed=1), SimulatedDisk(seed=1)
    for one, size_bytes in ((disk, 900), (other, 901)):
        wal = opened(one)
        for index in (1, 2, 3):
            wal.log.append([write(index, entry(index, size_bytes=size_bytes), term=1)])
        wal.close()
    last = segments(disk)[-1]
    assert last == segments(other)[-1] != segment_name(1)
    disk.poke(last, other.peek(last))
    with pytest.raises(Corruption):
        reopen(disk)


@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_missing_segment_is_refused(position: int) -> None:
    disk = SimulatedDisk()
    filled(disk, 40)
    names = segments(disk)
    assert len(names) >= 4
    disk.erase(names[position])
    with pytest.raises(Corruption):
        reopen(disk)


def test_a_missing_last_segment_is_refused() -> None:
    disk = SimulatedDisk()
    filled(disk, 40)
    gone = segments(disk)[-1]
    disk.erase(gone)
    with pytest.raises(Corruption, match=gone):
        reopen(disk)


def test_exchanged_segments_are_refused() -> None:
    disk = SimulatedDisk()
    filled(disk, 40)
    one, two = segments(disk)[1:3]
    first, second = disk.peek(one), disk.peek(two)
    disk.poke(one, second)
    disk.poke(two, first)
    with pytest.raises(Corruption, match=one):
        reopen(disk)


def test_a_doubled_segment_is_refused() -> None:
    disk = SimulatedDisk()
    filled(disk, 40)
    last = len(segments(disk))
    disk.poke(segment_name(last + 1), disk.peek(segment_name(last)))
    with pytest.raises(Corruption):
        reopen(disk)


def test_a_segment_of_another_log_of_the_same_node_is_refused() -> None:
    disk, other = SimulatedDisk(seed=1), SimulatedDisk(seed=2)
    filled(disk, 40)
    filled(other, 40)
    name = segments(disk)[-1]
    disk.poke(name, other.peek(name))
    with pytest.raises(Corruption, match=name):
        reopen(disk)


def test_bytes_of_an_older_log_after_the_end_are_never_read_as_records() -> None:
    disk, other = SimulatedDisk(seed=1), SimulatedDisk(seed=2)
    filled(disk, 3)
    filled(other, 9)
    name = segment_name(1)
    mine = disk.peek(name).rstrip(b"\0")
    mine += bytes(-len(mine) % 8)
    # As if the file system had given us blocks that once held another log.
    disk.poke(name, mine + other.peek(name)[len(mine) :])
    with pytest.raises(Corruption):
        reopen(disk)


def test_the_last_records_of_an_older_state_of_the_log_are_never_read_again() -> None:
    disk = SimulatedDisk()
    filled(disk, 3)
    name = segment_name(1)
    long_ago = disk.peek(name)
    disk.poke(name, long_ago.rstrip(b"\0")[:-40])
    wal = opened(disk)
    wal.log.append([write(9, entry(3, term=2, size_bytes=8))])
    wal.close()
    mine = disk.peek(name).rstrip(b"\0")
    mine += bytes(-len(mine) % 8)
    disk.poke(name, mine + long_ago[len(mine) :])
    try:
        entries = reopen(disk).entries
    except Corruption:
        return
    assert entries[2] == entry(3, term=2, size_bytes=8)
