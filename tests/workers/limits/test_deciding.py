"""Who may pass, by the state of the limits alone."""

import random

import pytest

from workers.limits.deciding import Candidate, Line, decide, order
from workers.model.ids import JobId


def _job(number: int, queue: str = "q") -> JobId:
    return JobId(queue, f"4{number:020x}")


def _under(number: int, *limits: str) -> Candidate:
    return Candidate(_job(number), limits)


def _lines(rooms: dict[str, int | None], candidates: list[Candidate]) -> dict[str, Line]:
    by_age = sorted(candidates, key=lambda each: order(each.job))
    return {
        name: Line(room, [each.job for each in by_age if name in each.limits])
        for name, room in rooms.items()
    }


def test_jobs_pass_in_order_of_urgency_and_arrival_while_there_is_room() -> None:
    urgent = Candidate(JobId("z", "0" + "f" * 20), ("a",))
    candidates = [_under(3, "a"), _under(1, "a"), _under(2, "a"), urgent]
    assert decide(candidates, _lines({"a": 2}, candidates)) == [urgent.job, _job(1)]


def test_a_limit_without_bounds_stops_nobody() -> None:
    candidates = [_under(number, "a") for number in range(5)]
    assert len(decide(candidates, _lines({"a": None}, candidates))) == 5


def test_the_first_in_line_of_what_stops_it_keeps_its_place_elsewhere() -> None:
    candidates = [_under(1, "a", "b"), _under(2, "a")]
    assert decide(candidates, _lines({"a": 1, "b": 0}, candidates)) == []


def test_a_job_behind_others_in_what_stops_it_keeps_no_place() -> None:
    candidates = [_under(1, "b"), _under(2, "a", "b"), _under(3, "a")]
    assert decide(candidates, _lines({"a": 1, "b": 0}, candidates)) == [_job(3)]


def test_who_passes_in_the_same_moment_is_nobodys_predecessor_any_more() -> None:
    candidates = [_under(1, "b"), _under(2, "a", "b"), _under(3, "a")]
    assert decide(candidates, _lines({"a": 1, "b": 1}, candidates)) == [_job(1)]


@pytest.mark.parametrize("seed", range(50))
def test_limits_are_never_overrun_and_nobody_waits_for_ever(seed: int) -> None:
    luck = random.Random(seed)
    bounds = {name: luck.randint(1, 3) for name in "abc"}
    waiting = [
        _under(number, *luck.sample("abc", luck.randint(1, 3)))
        for number in range(luck.randint(1, 30))
    ]
    running: list[Candidate] = []
    arrived = len(waiting)
    oldest_seen: list[JobId] = []
    for _ in range(400):
        rooms: dict[str, int | None] = {
            name: bound - sum(name in each.limits for each in running)
            for name, bound in bounds.items()
        }
        admitted = set(decide(waiting, _lines(rooms, waiting)))
        running += [each for each in waiting if each.job in admitted]
        waiting = [each for each in waiting if each.job not in admitted]
        for name, bound in bounds.items():
            assert sum(name in each.limits for each in running) <= bound
        if not waiting:
            return
        oldest_seen.append(waiting[0].job)
        assert running, "there is room, and nobody passes"
        running.remove(luck.choice(running))
        if len(oldest_seen) < 60:  # newcomers that need one limit press on
            waiting.append(_under(arrived, luck.choice("abc")))
            arrived += 1
        assert oldest_seen.count(waiting[0].job) < 40, "starved"
    raise AssertionError("somebody waits for ever")
