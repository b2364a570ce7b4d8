"""A decision as a transaction: what it is guarded by, and how large it may get."""

import pytest

from coord.client import ops
from coord.limits import REQUEST_BYTES_MAX
from coord.requests import Txn
from workers.model.job import Job
from workers.model.places import Places
from workers.schedules.checks import JOB_BYTES_MAX, check_schedule
from workers.schedules.codec import encode
from workers.schedules.firing import Known, take
from workers.schedules.places import SchedulePlaces
from workers.schedules.plan import DUES_MAX, plan
from workers.schedules.values import Backfill, Every, Overlap, Schedule, State
from workers.steward.moving import MOVES_BYTES

PLACES = SchedulePlaces(Places())


@pytest.mark.parametrize("backfill", [None, Backfill(0, 10**9)])
def test_the_largest_step_there_can_be_fits_into_one_request_beside_others(
    backfill: Backfill | None,
) -> None:
    job = Job("f", {"text": "x" * (JOB_BYTES_MAX - 100)}, limits=("l",))
    schedule = Schedule("s" * 100, job, Every(1_000), overlap=Overlap.ALLOW, expires_ms=1)
    check_schedule(schedule)
    state = State(0)
    known = Known(schedule, 1, state, encode(state), None, backfill)
    made = plan(schedule, state, None, backfill, 10**6)
    assert made is not None
    assert len(made.fires) == DUES_MAX
    move, _ = take(PLACES, known, made, 10**6)
    size_bytes = ops.size_bytes(Txn(move.compare, move.ops))  # raises where it is too large
    assert size_bytes + MOVES_BYTES < REQUEST_BYTES_MAX


def test_a_step_is_guarded_by_all_it_was_decided_from() -> None:
    schedule = Schedule("s", Job("f"), Every(1_000))
    state = State(0)
    known = Known(schedule, 7, state, encode(state))
    made = plan(schedule, state, None, None, 1_000)
    assert made is not None
    move, after = take(PLACES, known, made, 1_000)
    assert after == State(1_000, firings=1)
    assert set(move.compare) == {
        ops.modified(PLACES.spec("s"), "==", 7),
        ops.value(PLACES.state("s"), "==", encode(state)),
        ops.missing(PLACES.standing("s"), prefix=True),
        ops.missing(PLACES.space.queue("default").limit),
    }
