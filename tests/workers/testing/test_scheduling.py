"""A short campaign over schedules, with planted bugs that it must find."""

from collections import Counter

import pytest

from coord.requests import Compare
from recipes.testing.campaign import run_seed
from workers.schedules import editing, firing, plan
from workers.schedules.firing import Known
from workers.schedules.places import SchedulePlaces
from workers.schedules.values import Schedule, State
from workers.testing.scheduling import SCHEDULES

_SEEDS = range(4)
_MORE_SEEDS = range(40)


def test_a_few_seeds_keep_the_books_of_due_times() -> None:
    totals: Counter[str] = Counter()
    for seed in _SEEDS:
        outcome = run_seed(seed, (SCHEDULES,))
        assert outcome.failure == "", f"seed {seed}"
        totals.update(outcome.counts)
    assert totals["schedules: fired, due"] > 0
    assert totals["schedules: edits"] > 0
    assert totals["sessions lost by expiry"] > 0


def test_a_seed_gives_the_same_run_each_time() -> None:
    assert run_seed(3, (SCHEDULES,)).trace == run_seed(3, (SCHEDULES,)).trace


def _finds(words: str) -> bool:
    return any(words in run_seed(seed, (SCHEDULES,)).failure for seed in _MORE_SEEDS)


@pytest.mark.slow
def test_it_finds_steps_that_do_not_look_whether_the_state_is_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unguarded(places: SchedulePlaces, known: Known) -> tuple[Compare, ...]:
        return ()

    monkeypatch.setattr(firing, "unchanged", unguarded)
    assert _finds("schedule s")


@pytest.mark.slow
def test_it_finds_edits_that_take_back_what_is_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    def settled_by_the_editors_clock(
        old: Schedule | None, state: State | None, new: Schedule | None, now_unix_ms: int
    ) -> State:
        made = plan.after_edit(old, state, new, now_unix_ms)
        return State(now_unix_ms, firings=made.firings, skipped=made.skipped, missed=made.missed)

    monkeypatch.setattr(editing, "after_edit", settled_by_the_editors_clock)
    assert _finds("what was settled is so no more")
