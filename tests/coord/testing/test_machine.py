"""A machine with the real log: what was answered survives whatever happens to it."""

import pytest

from coord.ids import ClusterId, NodeId
from coord.raft.messages import Entry, EntryKind, HardState, Write, Written
from coord.testing.host import CannotStart
from coord.testing.machine import HastyStorage, WalMachine
from coord.testing.schedule import Schedule
from coord.wal.identity import Identity


def _machine(seed: int) -> tuple[Schedule, WalMachine]:
    schedule = Schedule(seed)
    identity = Identity(ClusterId(7), NodeId(1))
    return schedule, WalMachine(schedule, identity, 0.5, 0.5, broken=lambda: None)


def _open(machine: WalMachine) -> HastyStorage:
    """Start until it stands, as a supervisor would."""
    for _ in range(50):
        try:
            return machine.open(lambda: None)
        except CannotStart:
            continue
    raise AssertionError("it never came up")


def _write(ticket: int, index: int, size_bytes: int = 900) -> Write:
    entry = Entry(index, 1, EntryKind.NORMAL, b"p" * size_bytes)
    return Write(ticket, HardState(1, 1), (entry,))


@pytest.mark.parametrize("seed", range(30))
def test_answered_writes_survive_crashes_even_in_recovery(seed: int) -> None:
    schedule, machine = _machine(seed)
    answered = ticket = last = 0
    for _ in range(5):
        storage = _open(machine)
        entries = storage.recovered.entries
        last = entries[-1].index if entries else 0
        assert last >= answered
        for _ in range(6):
            ticket, last = ticket + 1, last + 1
            storage.write(_write(ticket, last))
            if not storage.flush():
                schedule.step(schedule.now_ms + 1.0)
            answered = last if Written(ticket) in storage.poll() else answered
        machine.crash()
    assert answered > 0


def test_a_start_that_dies_is_told_and_a_calm_machine_starts() -> None:
    deaths = 0
    for seed in range(40):
        _, machine = _machine(seed)
        try:
            machine.open(lambda: None)
        except CannotStart:
            deaths += 1
            machine.calm()
            machine.open(lambda: None)
    assert 0 < deaths < 40


def test_a_lone_write_may_be_done_at_once_and_two_never_are() -> None:
    at_once = 0
    for seed in range(20):
        _, machine = _machine(seed)
        machine.calm()
        storage = machine.open(lambda: None)
        storage.write(_write(1, 1))
        if storage.flush():
            at_once += 1
            assert storage.poll() == [Written(1)]
        storage.write(_write(2, 2))
        storage.write(_write(3, 3))
        assert not storage.flush()
    assert 0 < at_once < 20


def test_a_full_disk_ends_the_process_and_loses_nothing() -> None:
    ended: list[int] = []
    schedule = Schedule(3)
    identity = Identity(ClusterId(7), NodeId(1))
    machine = WalMachine(schedule, identity, 0.5, 0.5, broken=lambda: ended.append(1))
    machine.calm()
    storage = machine.open(lambda: None)
    machine.fill(True)
    answered = 0
    for index in range(1, 60):
        storage.write(_write(index, index))
        while schedule.step(schedule.now_ms + 5.0):
            pass
        done = [c.ticket for c in storage.poll() if isinstance(c, Written)]
        answered = max([answered, *done])
        if ended:
            break
    assert ended
    machine.crash()
    machine.fill(False)
    assert len(machine.open(lambda: None).recovered.entries) >= answered > 0
