"""Crash points and drifting clocks."""

import pytest

from coord.testing.taps import Crashed, CrashPoint, DriftingClock


def _calls_until_crash(point: CrashPoint) -> tuple[int, int]:
    """Return how many calls began and how many were carried out."""
    begun = carried_out = 0
    try:
        for _ in range(100):
            begun += 1
            point.before()
            carried_out += 1
            point.after()
    except Crashed:
        return begun, carried_out
    raise AssertionError("it never crashed")


@pytest.mark.parametrize("calls", [0, 1, 5])
def test_the_fatal_call_is_carried_out_or_not(calls: int) -> None:
    point = CrashPoint()
    point.arm(calls, carried_out=False)
    assert _calls_until_crash(point) == (calls + 1, calls)
    point = CrashPoint()
    point.arm(calls, carried_out=True)
    assert _calls_until_crash(point) == (calls + 1, calls + 1)


def test_an_unarmed_point_never_crashes() -> None:
    point = CrashPoint()
    for _ in range(100):
        point.before()
        point.after()


def test_a_crash_cannot_be_caught_as_an_exception() -> None:
    assert not issubclass(Crashed, Exception)


def test_a_clock_runs_at_its_pace_and_knows_true_waits() -> None:
    true_ms = 0.0
    clock = DriftingClock(lambda: true_ms, 2.0, 100.0)
    assert clock.now_ms() == 100.0
    true_ms = 10.0
    assert clock.now_ms() == 120.0
    assert clock.until_ms(130.0) == 5.0
    assert clock.until_ms(50.0) == 0.0
