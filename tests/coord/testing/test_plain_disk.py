"""The reduced disk: durable stays, pending goes in order, answers follow durability."""

import pytest

from coord.raft.messages import (
    Entry,
    EntryKind,
    HardState,
    Membership,
    SnapshotMeta,
    Write,
    Written,
)
from coord.testing.plain_disk import PlainMachine
from coord.testing.schedule import Schedule
from coord.wal.port import SnapshotSaved


def _write(ticket: int, first: int, count: int = 1, term: int = 1) -> Write:
    entries = tuple(Entry(first + i, term, EntryKind.NORMAL, b"p") for i in range(count))
    return Write(ticket, HardState(term), entries)


def _run(schedule: Schedule) -> None:
    while schedule.step(1e9):
        pass


def test_a_write_is_answered_once_it_is_durable() -> None:
    schedule = Schedule(1)
    machine = PlainMachine(schedule, "1", 1.0, 1.0)
    woken: list[float] = []
    storage = machine.open(lambda: woken.append(schedule.now_ms))
    storage.write(_write(1, 1))
    assert storage.poll() == []
    _run(schedule)
    assert storage.poll() == [Written(1)]
    assert woken[0] >= 1.0


@pytest.mark.parametrize("seed", range(20))
def test_a_crash_keeps_all_that_was_answered_and_a_prefix_of_the_rest(seed: int) -> None:
    schedule = Schedule(seed)
    machine = PlainMachine(schedule, "1", 1.0, 1.0)
    storage = machine.open(lambda: None)
    storage.write(_write(1, 1, 3))
    _run(schedule)
    storage.write(_write(2, 4, 3))
    storage.write(_write(3, 7, 3))
    machine.crash()
    kept = [entry.index for entry in machine.open(lambda: None).recovered.entries]
    assert kept == list(range(1, len(kept) + 1))
    assert 3 <= len(kept) <= 9


def test_a_saved_snapshot_survives_and_drops_the_log_before_it() -> None:
    schedule = Schedule(1)
    machine = PlainMachine(schedule, "1", 1.0, 1.0)
    storage = machine.open(lambda: None)
    storage.write(_write(1, 1, 3))
    meta = SnapshotMeta(2, 1, Membership((1,)))
    storage.save_chunk(meta, b"sta", False)
    storage.save_chunk(meta, b"te", True)
    _run(schedule)
    assert SnapshotSaved(meta, 5) in storage.poll()
    machine.crash()
    again = machine.open(lambda: None)
    assert again.recovered.snapshot == meta
    assert [entry.index for entry in again.recovered.entries] == [3]
    assert b"".join(again.open_snapshot()) == b"state"
