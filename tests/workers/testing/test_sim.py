"""A short campaign over jobs; `make sim-jobs` runs hundreds of seeds. Mistakes must be noticed."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import attrs
import pytest
from click.testing import CliRunner

import workers.running.settling
import workers.store.enqueueing
from coord.errors import MaybeDone
from coord.requests import Txn
from workers.limits.reading import LimitView
from workers.model.ids import JobId
from workers.running.source import Source
from workers.steps.held import end_held
from workers.steps.move import Move
from workers.steward.attention import Attention
from workers.steward.due import DueChore
from workers.testing.sim.__main__ import main
from workers.testing.sim.campaign import parts_of, run_seed
from workers.testing.skewed_timer import SkewedTimer

_SEEDS = (7, 10)  # quick ones


def test_a_few_seeds_keep_every_promise() -> None:
    totals: Counter[str] = Counter()
    for seed in _SEEDS:
        outcome = run_seed(seed, ["jobs"])
        assert outcome.failure == "", f"seed {seed}"
        totals.update(outcome.counts)
    for what in ("jobs acknowledged", "attempts started", "endings: done", "jobs that fell due"):
        assert totals[f"jobs: {what}"] > 0, what


def test_the_command_repeats_a_seed_to_the_letter() -> None:
    told = CliRunner().invoke(main, ["--seed", "10", "--part", "schedules", "--plan"])
    assert told.exit_code == 0, told.output
    outcome = run_seed(10, ["schedules"])
    assert f"trace {outcome.trace}" in told.output
    assert "schedules: claims" in told.output


def test_a_seed_is_about_one_or_two_plays_and_about_those_asked_for() -> None:
    assert {len(parts_of(seed)) for seed in range(20)} == {1, 2}
    assert {part.name for seed in range(5) for part in parts_of(seed, ["jobs"])} == {"jobs"}


def _first_failure(name: str, seeds: int) -> str:
    for seed in range(seeds):
        failure = run_seed(seed, [name]).failure
        if failure:
            return failure
    return ""


@pytest.mark.slow
def test_a_worker_that_claims_from_a_shut_queue_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Source.claiming

    def claim(self: Source, limit: int) -> Txn:
        return Txn((), honest(self, limit).success, ())

    monkeypatch.setattr(Source, "claiming", claim)
    assert "claimed while shut" in _first_failure("gated jobs", 8)


@pytest.mark.slow
def test_a_verdict_that_is_not_fenced_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def end(*args: Any) -> Move:
        return Move((), end_held(*args).ops)

    monkeypatch.setattr(workers.running.settling, "end_held", end)
    assert "job " in _first_failure("jobs", 12)


@pytest.mark.slow
def test_a_steward_that_does_not_count_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = LimitView.room.fget  # type: ignore[attr-defined]

    def room(self: LimitView) -> int | None:
        found: int | None = honest(attrs.evolve(self, admitted=0))
        return found

    monkeypatch.setattr(LimitView, "room", property(room))
    assert "one too many under" in _first_failure("limited jobs", 8)


@pytest.mark.slow
def test_a_steward_before_its_time_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = DueChore.__init__

    def hurry(self: DueChore, timer: Any) -> None:
        honest(self, SkewedTimer(timer, 2_000))

    monkeypatch.setattr(DueChore, "__init__", hurry)
    assert "in line at" in _first_failure("jobs", 8)


@pytest.mark.slow
def test_a_steward_that_forgets_when_to_look_again_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def forget(self: Attention, times: Mapping[str, int]) -> None:
        """Look when something happens only."""

    monkeypatch.setattr(Attention, "call_at", forget)
    assert "still wait" in _first_failure("limited jobs", 12)


@pytest.mark.slow
def test_an_enqueuer_that_repeats_what_is_in_doubt_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    honest = workers.store.enqueueing.enqueue

    async def repeat(*args: Any) -> JobId:
        while True:
            try:
                return await honest(*args)
            except MaybeDone:
                continue

    monkeypatch.setattr(workers.store.enqueueing, "enqueue", repeat)
    assert "was made twice" in _first_failure("jobs", 20)
