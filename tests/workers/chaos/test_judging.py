"""A campaign's judge: what it must not let pass."""

from pathlib import Path
from random import Random

import pytest

from workers.chaos.judging import Effects, Enqueued, judge, read_effects
from workers.chaos.plan import FEW, PACED, Kind, draw_kind, make_call
from workers.chaos.watching import check_pace
from workers.model.ending import Ending
from workers.model.ids import JobId
from workers.model.job import Job
from workers.model.states import State
from workers.testing.ledger import Entry

ID = JobId("chaos", "5" + "0" * 20)


def _entry(*endings: Ending, state: State = State.DONE) -> Entry:
    return Entry(state, Job("work"), list(endings))


def _done(attempt: int = 1) -> Ending:
    return Ending(State.DONE, "work", 7, attempt)


def _wrong(entry: Entry | None, effects: Effects, kind: Kind = Kind.PLAIN) -> list[str]:
    jobs = {} if entry is None else {ID: entry}
    _, wrong = judge([Enqueued(1, kind, ID, 100)], jobs, effects)
    return wrong


WELL = Effects({str(ID): [(1, 100)]}, {str(ID): [1]})


def test_a_job_that_ended_as_it_should_is_counted() -> None:
    counts, wrong = judge([Enqueued(1, Kind.PLAIN, ID, 100)], {ID: _entry(_done())}, WELL)
    assert wrong == []
    assert (counts["done"], counts["attempts begun"]) == (1, 1)


@pytest.mark.parametrize(
    ("entry", "effects", "kind"),
    [
        (None, WELL, Kind.PLAIN),
        (_entry(state=State.READY), WELL, Kind.PLAIN),
        (_entry(_done(), _done()), WELL, Kind.PLAIN),
        (_entry(_done(), state=State.CANCELLED), WELL, Kind.PLAIN),
        (_entry(_done()), WELL, Kind.HOPELESS),
        (_entry(_done()), Effects(), Kind.PLAIN),
        (_entry(_done(attempt=2)), WELL, Kind.PLAIN),
        (_entry(_done()), Effects({str(ID): [(1, 99)]}, {str(ID): [1]}), Kind.DELAYED),
    ],
)
def test_what_is_lost_doubled_early_or_not_as_it_should_be_is_told(
    entry: Entry | None, effects: Effects, kind: Kind
) -> None:
    assert len(_wrong(entry, effects, kind)) == 1


def test_an_attempt_that_came_to_its_end_and_was_refused_is_counted() -> None:
    effects = Effects({str(ID): [(1, 100), (2, 150)]}, {str(ID): [1, 2]})
    counts, wrong = judge([Enqueued(1, Kind.PLAIN, ID, 100)], {ID: _entry(_done(2))}, effects)
    assert wrong == []
    assert counts["completions refused or never told"] == 1
    assert counts["claims lost with a worker"] == 1


def test_side_effects_are_read_by_job_and_attempt(tmp_path: Path) -> None:
    (tmp_path / "effects").write_text(f"begin 1 {ID} 1 100\nend 1 {ID} 1 105\n")
    effects = read_effects(tmp_path / "effects")
    assert effects.begun == {str(ID): [(1, 100)]}
    assert effects.ended == {str(ID): [1]}


def test_a_rate_that_was_kept_passes_and_one_that_was_not_is_told() -> None:
    pace_ms = PACED.period_ms // PACED.rate
    kept = [(0, PACED.burst), *((number * pace_ms, 1) for number in range(1, 50))]
    assert check_pace(PACED, kept) == []
    assert len(check_pace(PACED, [(0, PACED.burst + 1)])) == 1
    assert check_pace(PACED, []) == []


def test_the_same_seed_draws_the_same_jobs_and_every_kind_is_drawn() -> None:
    def draw(seed: int) -> list[tuple[Kind, str]]:
        luck = Random(seed)
        kinds = [draw_kind(luck) for _ in range(500)]
        return [(kind, str(make_call(kind, 1, luck))) for kind in kinds]

    assert draw(1) == draw(1)
    assert {kind for kind, _ in draw(1)} == set(Kind)
    assert FEW.concurrency
