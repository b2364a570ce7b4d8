"""What a pipeline does next, from what is known: tables of situations and moves."""

import msgspec
import pytest

from workers.gates.conditions import AnyOf, Ended, Signal, Size, Time
from workers.gates.given import Given
from workers.model.states import State
from workers.pipelines.plan import (
    EndJobs,
    Facts,
    Release,
    Revive,
    Work,
    advance,
    newly_ended,
    next_look,
    next_work,
    verdict,
)
from workers.pipelines.run import Run, RunState, StageRun, StageState
from workers.pipelines.spec import Call, Pipeline, Stage
from workers.pipelines.tally import Tally

NOW = 1_000
A, B = (Call("a"),), (Call("b"),)
TWO = Pipeline("p", (Stage("one", A), Stage("two", B, after=("one",))))


def _run(**stages: StageState) -> Run:
    runs = {
        name: StageRun(state, released=1, opened_unix_ms=0 if state is StageState.WAITING else 500)
        for name, state in stages.items()
    }
    return Run("p", runs, started_unix_ms=1)


def _tally(open_count: int = 0, done: int = 0, dead: int = 0) -> Tally:
    ended = {f"q:{n}": State.DONE for n in range(done)}
    failed = {f"q:{n}": State.DEAD for n in range(done, done + dead)}
    return Tally({f"q:open{n}" for n in range(open_count)}, ended | failed, set(failed))


def _facts(
    tallies: dict[str, Tally] | None = None,
    signals: dict[str, Given] | None = None,
    cancel: str | None = None,
) -> Facts:
    known = tallies or {}
    return Facts(lambda name: known.get(name, Tally()), signals or {}, cancel, NOW)


def _states(run: Run) -> list[str]:
    return [run.state.value, *(stage.state.value for stage in run.stages.values())]


W, P, R = StageState.WAITING, StageState.OPEN, StageState.RUNNING
D, F, C = StageState.DONE, StageState.FAILED, StageState.CANCELLED


@pytest.mark.parametrize(
    ("one", "two", "tallies", "states", "work"),
    [
        (W, W, {}, ["running", "open", "waiting"], Release("one")),
        (P, W, {"one": _tally(1)}, ["running", "open", "waiting"], Release("one")),
        (R, W, {"one": _tally(1)}, ["running", "running", "waiting"], None),
        (R, W, {}, ["running", "running", "waiting"], None),  # the count is behind
        (R, W, {"one": _tally(0, 1)}, ["running", "done", "open"], Release("two")),
        (R, W, {"one": _tally(1, 0, 1)}, ["stopping", "failed", "cancelled"], EndJobs("one")),
        (R, W, {"one": _tally(0, 0, 1)}, ["failed", "failed", "cancelled"], None),
        (D, R, {"two": _tally(0, 1)}, ["done", "done", "done"], None),
        (D, R, {"two": _tally(2, 1)}, ["running", "done", "running"], None),
    ],
)
def test_a_run_moves_by_what_its_jobs_did(
    one: StageState,
    two: StageState,
    tallies: dict[str, Tally],
    states: list[str],
    work: Work | None,
) -> None:
    facts = _facts(tallies)
    after = advance(TWO, _run(one=one, two=two), facts)
    assert _states(after) == states
    assert next_work(after, facts) == work
    assert advance(TWO, after, facts) == after


@pytest.mark.parametrize(
    ("policy", "rounds", "tally", "state", "work"),
    [
        ("stop", 0, _tally(3, 1, 1), "failed", EndJobs("s")),
        ("continue", 0, _tally(3, 1, 1), "running", None),
        ("continue", 0, _tally(0, 1, 3), "done", None),
        ("retry", 0, _tally(3, 1, 1), "running", None),
        ("retry", 0, _tally(0, 1, 3), "open", Revive("s")),
        ("retry", 2, _tally(1, 1, 1), "failed", EndJobs("s")),
    ],
)
def test_failures_mean_what_the_stage_says(
    policy: str, rounds: int, tally: Tally, state: str, work: Work | None
) -> None:
    stage = msgspec.convert(
        {"name": "s", "jobs": [{"name": "a"}], "on_failure": policy, "retries": 2}, Stage
    )
    run = _run(s=R).with_stage("s", StageRun(R, released=4, rounds=rounds, opened_unix_ms=1))
    facts = _facts({"s": tally})
    after = advance(Pipeline("p", (stage,)), run, facts)
    assert after.stages["s"].state.value == state
    assert next_work(after, facts) == work


def test_what_is_put_back_is_waited_for_before_the_rest_is_enqueued() -> None:
    stage = Stage("s", A, on_failure="retry", retries=1)
    run = _run(s=P).with_stage("s", StageRun(P, reviving=True, rounds=1, opened_unix_ms=1))
    back = advance(Pipeline("p", (stage,)), run, _facts({"s": _tally(3, 1)}))
    assert back.stages["s"].reviving is False
    assert next_work(back, _facts({"s": _tally(3, 1)})) == Release("s")


def test_cancelled_nothing_new_opens_and_what_is_open_is_ended() -> None:
    facts = _facts({"one": _tally(2)}, cancel="enough")
    after = advance(TWO, _run(one=R, two=W), facts)
    assert _states(after) == ["stopping", "running", "cancelled"]
    assert next_work(after, facts) == EndJobs("one")
    ended = advance(TWO, after, _facts({"one": _tally(0, 1, 1)}, cancel="enough"))
    assert _states(ended) == ["cancelled", "cancelled", "cancelled"]
    assert ended.cause == "enough"


def test_a_failure_noted_before_it_was_cancelled_is_the_cause_of_the_end() -> None:
    tallies = {"one": _tally(1, 0, 1)}
    noted = advance(TWO, _run(one=R, two=W), _facts(tallies))
    after = advance(TWO, noted, _facts({"one": _tally(0, 0, 2)}, cancel="late"))
    assert after.state is RunState.FAILED
    assert after.cause == "stage one failed: job q:0 is dead"


def test_cancelled_when_nothing_was_left_to_cancel_it_is_done() -> None:
    after = advance(TWO, _run(one=D, two=R), _facts({"two": _tally(0, 1)}, cancel="late"))
    assert (_states(after), after.cause) == (["done", "done", "done"], "")


def test_a_stage_that_ended_well_while_the_pipeline_stopped_is_done() -> None:
    after = advance(TWO, _run(one=R, two=W), _facts({"one": _tally(0, 1)}, cancel="x"))
    assert _states(after) == ["cancelled", "done", "cancelled"]


@pytest.mark.parametrize(
    ("facts", "opens"),
    [
        (_facts(), False),
        (_facts({"one": _tally(1, 2)}), True),
        (_facts(signals={"go": Given(5, "ann")}), True),
    ],
)
def test_a_gate_holds_a_stage_until_its_condition_holds(facts: Facts, opens: bool) -> None:
    gate = AnyOf((Size("one", 2), Signal("go"), Time(NOW + 7)))
    spec = Pipeline("p", (Stage("one", A), Stage("two", B, gate=gate)))
    run = _run(one=R, two=W).with_stage("one", StageRun(R, released=9, opened_unix_ms=1))
    after = advance(spec, run, facts)
    assert (after.stages["two"].state is P) == opens
    assert next_look(spec, after, NOW) == (None if opens else NOW + 7)


def test_the_verdict_tells_what_is_waited_for_and_who_satisfied_it() -> None:
    stage = Stage("two", B, after=("one",), gate=Signal("go"))
    spec = Pipeline("p", (Stage("one", A), stage))
    found = verdict(stage, _run(one=R, two=W), _facts(signals={"go": Given(5, "ann", "now")}))
    assert list(found.lines()) == [
        "no  all of: 1 of 2",
        "  no  stage one has ended well",
        "  yes signal go was given, since 1970-01-01 00:00:00Z (by ann: now)",
    ]
    assert spec.stage("two").needs == ("one",)
    assert Stage("x", A, gate=Ended("y")).needs == ("y",)


def test_only_what_just_ended_is_guarded_against_jobs_that_are_still_open() -> None:
    before = _run(one=R, two=W)
    after = advance(TWO, before, _facts({"one": _tally(0, 1)}))
    assert newly_ended(before, after) == ("one",)
    stopped = advance(TWO, before, _facts(cancel="x"))
    assert stopped.state is RunState.CANCELLED
    assert newly_ended(before, stopped) == ("one",)
