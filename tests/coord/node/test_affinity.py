"""Processes of one machine share out its processors, and leave them when they are crowded."""

import os
import threading

import pytest

from coord.node import affinity
from coord.node.affinity import Affinity

pytestmark = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="needs Linux and two processors",
)

_LATER_MS = 10_000.0


class _Machine:
    """Stands in for /proc/stat and the process's own clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.idle_ms = dict.fromkeys(os.sched_getaffinity(0), 0.0)
        monkeypatch.setattr(affinity, "_idle_ms", lambda: dict(self.idle_ms))
        monkeypatch.setattr(affinity, "_claim", self._claim)
        self.claimed: set[int] = set()

    def _claim(self, cpu: int) -> object | None:
        return None if cpu in self.claimed else _Claim()

    def pass_time(self, idle_share: dict[int, float]) -> None:
        for cpu in self.idle_ms:
            self.idle_ms[cpu] += idle_share.get(cpu, 0.0) * _LATER_MS


class _Claim:
    def close(self) -> None:
        """Nothing to release."""


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> object:
    """A machine that forgets, after the test, what was pinned."""
    before = os.sched_getaffinity(0)
    yield _Machine(monkeypatch)
    os.sched_setaffinity(0, before)


def test_two_processes_claim_different_processors(machine: _Machine) -> None:
    first = Affinity()
    first.start(0.0)
    assert os.sched_getaffinity(0) == {first.cpu}
    os.sched_setaffinity(0, set(machine.idle_ms))
    assert first.cpu is not None
    machine.claimed.add(first.cpu)
    second = Affinity()
    second.start(0.0)
    assert second.cpu not in (None, first.cpu)


def test_threads_started_later_share_the_processor(machine: _Machine) -> None:
    here = Affinity()
    here.start(0.0)
    found: list[set[int]] = []
    thread = threading.Thread(target=lambda: found.append(os.sched_getaffinity(0)))
    thread.start()
    thread.join()
    assert found == [{here.cpu}]


def test_a_crowded_process_moves_to_an_idle_processor(machine: _Machine) -> None:
    here = Affinity()
    here.start(0.0)
    other = min(machine.idle_ms)
    assert here.cpu != other
    machine.pass_time({other: 0.9})
    here.check(_LATER_MS)
    assert here.cpu == other


def test_a_crowded_process_on_a_busy_machine_is_left_to_the_system_until_it_calms(
    machine: _Machine,
) -> None:
    here = Affinity()
    here.start(0.0)
    machine.pass_time({})
    here.check(_LATER_MS)
    assert here.cpu is None
    assert not here.is_calm
    assert os.sched_getaffinity(0) == set(machine.idle_ms)
    machine.pass_time(dict.fromkeys(machine.idle_ms, 0.95))
    here.check(2 * _LATER_MS)
    assert here.cpu is not None


def test_a_process_with_its_processor_for_itself_stays(machine: _Machine) -> None:
    here = Affinity()
    here.start(0.0)
    home = here.cpu
    machine.pass_time(dict.fromkeys(machine.idle_ms, 0.95))
    here.check(_LATER_MS)
    assert here.cpu == home
    assert here.is_calm


def test_a_little_crowd_is_no_reason_to_leave_but_the_processor_is_no_longer_calm(
    machine: _Machine,
) -> None:
    here = Affinity()
    here.start(0.0)
    home = here.cpu
    assert here.is_calm
    machine.pass_time(dict.fromkeys(machine.idle_ms, 0.70))
    here.check(_LATER_MS)
    assert here.cpu == home
    assert not here.is_calm


def test_a_name_is_free_again_when_its_holder_is_gone() -> None:
    cpu = 10_000 + os.getpid()  # no such processor, so nobody else claims it
    held = affinity._claim(cpu)
    assert held is not None
    assert affinity._claim(cpu) is None
    held.close()
    again = affinity._claim(cpu)
    assert again is not None
    again.close()
