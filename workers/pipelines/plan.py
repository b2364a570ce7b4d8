"""What a pipeline does next: pure, from its spec, how far it is, and what is known of its jobs.

`advance` takes every step that is only a matter of noting it: stages end, gates open, a failure
stops the pipeline. `next_work` then says the one thing to do that touches jobs. Whoever executes
them does so in transactions that name the run they started from, so nothing is done twice.

What may be behind the store (a tally counted by watch) errs in one direction only: a stage seems
to have open jobs that have ended. The other direction is guarded in the transaction.
"""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import msgspec
from attrs import frozen

from workers.gates.conditions import (
    AllOf,
    Condition,
    Ended,
    Leaf,
    Look,
    Signal,
    Size,
    Time,
    Verdict,
    evaluate,
    next_time,
    time_text,
)
from workers.gates.given import Given
from workers.pipelines.run import RUN_ENDED, STAGE_ENDED, Run, RunState, StageRun, StageState
from workers.pipelines.spec import Pipeline, Stage
from workers.pipelines.tally import Tally

_IN_HAND = frozenset({StageState.OPEN, StageState.RUNNING})


@frozen
class Facts:
    """What is known of a pipeline beside its run.

    Attributes:
        tally: of a stage.
        signals: those given, by name.
        cancel: why it shall end; None where nobody wants that.
        now_unix_ms: the time.
    """

    tally: Callable[[str], Tally]
    signals: Mapping[str, Given]
    cancel: str | None
    now_unix_ms: int


@frozen
class Release:
    """Enqueue a stage's next jobs."""

    stage: str


@frozen
class Revive:
    """Put back those of a stage's jobs that did not end well."""

    stage: str


@frozen
class EndJobs:
    """End the jobs of a stage that have not ended."""

    stage: str


Work: TypeAlias = Release | Revive | EndJobs


def advance(spec: Pipeline, run: Run, facts: Facts) -> Run:
    """Return the run after every step that is due and touches no job."""
    while True:
        further = _settle(spec, _stop(run, facts), facts)
        if further == run:
            return run
        run = further


def next_work(run: Run, facts: Facts) -> Work | None:
    """Return what is to be done for a run that `advance` has been through; None to wait."""
    for name, stage in run.stages.items():
        if run.state is RunState.STOPPING:
            if facts.tally(name).open:
                return EndJobs(name)
        elif stage.state is StageState.OPEN:
            return Revive(name) if stage.reviving else Release(name)
    return None


def newly_ended(before: Run, after: Run) -> tuple[str, ...]:
    """Return the stages whose jobs have all ended, if `after` is to be true."""
    if after.state in RUN_ENDED:
        return tuple(name for name, stage in after.stages.items() if stage.opened_unix_ms)
    return tuple(
        name
        for name, stage in after.stages.items()
        if stage.state is StageState.DONE and before.stages[name].state is not StageState.DONE
    )


def next_look(spec: Pipeline, run: Run, now_unix_ms: int) -> int | None:
    """Return when time alone may move the run; None for never."""
    if run.state is not RunState.RUNNING:
        return None
    waiting = [stage.gate for stage in spec.stages if _waits(run, stage) and stage.gate is not None]
    times = [next_time(gate, now_unix_ms) for gate in waiting]
    return min((time for time in times if time is not None), default=None)


def gate_of(stage: Stage) -> Condition:
    """Return everything a stage waits for, as one condition."""
    awaited = tuple(Ended(name) for name in stage.awaits)
    return AllOf((*awaited, *(() if stage.gate is None else (stage.gate,))))


def verdict(stage: Stage, run: Run, facts: Facts) -> Verdict:
    """Return whether a stage may open, and what it still waits for."""
    return evaluate(gate_of(stage), lambda leaf: _look(leaf, run, facts))


def _look(leaf: Leaf, run: Run, facts: Facts) -> Look:
    match leaf:
        case Ended(stage):
            found = run.stages[stage]
            done = found.state is StageState.DONE
            return Look(int(done), 1, found.since_unix_ms if done else 0)
        case Size(stage, at_least, well):
            tally = facts.tally(stage)
            return Look(tally.done if well else len(tally.ended), at_least)
        case Signal(name):
            given = facts.signals.get(name)
            return Look(0, 1) if given is None else Look(1, 1, given.unix_ms, str(given))
        case Time(at_unix_ms):
            come = facts.now_unix_ms >= at_unix_ms
            return Look(int(come), 1, at_unix_ms if come else 0, "" if come else _left(leaf, facts))
        case _:
            return Look(0, 1, by="has no meaning in a pipeline")


def _left(leaf: Time, facts: Facts) -> str:
    return f"now {time_text(facts.now_unix_ms)}"


def _waits(run: Run, stage: Stage) -> bool:
    return run.stages[stage.name].state is StageState.WAITING


def _stop(run: Run, facts: Facts) -> Run:
    """Return the run stopping, where it is cancelled or a stage has failed."""
    if run.state is not RunState.RUNNING:
        return run
    for name, stage in run.stages.items():
        if stage.state is StageState.FAILED:
            cause = f"stage {name} failed: {stage.cause}"
            return msgspec.structs.replace(run, state=RunState.STOPPING, cause=cause, failed=True)
    if facts.cancel is not None:
        return msgspec.structs.replace(run, state=RunState.STOPPING, cause=facts.cancel)
    return run


def _settle(spec: Pipeline, run: Run, facts: Facts) -> Run:
    """Return the run with each stage one step further, and itself ended where all of them are."""
    settle_stage = _run_stage if run.state is RunState.RUNNING else _stop_stage
    for stage in spec.stages:
        before = run.stages[stage.name]
        if before.state in STAGE_ENDED:
            continue
        after = settle_stage(stage, before, run, facts)
        if after.state is not before.state:
            after = msgspec.structs.replace(after, since_unix_ms=facts.now_unix_ms)
        if after != before:
            run = run.with_stage(stage.name, after)
    return _end(run, facts)


def _end(run: Run, facts: Facts) -> Run:
    """Return the run ended, where nothing is left to do."""
    if run.state in RUN_ENDED or any(
        stage.state not in STAGE_ENDED or facts.tally(name).open
        for name, stage in run.stages.items()
    ):
        return run
    if all(stage.state is StageState.DONE for stage in run.stages.values()):
        # Cancelled when nothing was left to cancel, it has ended well all the same.
        state, cause = RunState.DONE, ""
    elif run.state is RunState.RUNNING:
        return run  # a stage has failed: it stops first
    else:
        state, cause = RunState.FAILED if run.failed else RunState.CANCELLED, run.cause
    now_unix_ms = facts.now_unix_ms
    return msgspec.structs.replace(run, state=state, cause=cause, ended_unix_ms=now_unix_ms)


def _stop_stage(stage: Stage, at: StageRun, run: Run, facts: Facts) -> StageRun:
    tally = facts.tally(stage.name)
    if at.state in _IN_HAND and tally.open:
        return at
    whole = at.state is StageState.RUNNING and tally.done >= at.released and not tally.failed
    state = StageState.DONE if whole else StageState.CANCELLED
    return msgspec.structs.replace(at, state=state)


def _run_stage(stage: Stage, at: StageRun, run: Run, facts: Facts) -> StageRun:
    tally = facts.tally(stage.name)
    if at.state is StageState.WAITING:
        found = verdict(stage, run, facts)
        if not found.holds:
            return at
        return msgspec.structs.replace(
            at,
            state=StageState.OPEN,
            opened_unix_ms=facts.now_unix_ms,
            opened_by=found.evidence() if found.parts else (),
        )
    if at.reviving:
        return at if tally.failed else msgspec.structs.replace(at, reviving=False)
    if tally.failed and _is_final(stage, at):
        return msgspec.structs.replace(at, state=StageState.FAILED, cause=_failures(tally))
    if at.state is StageState.OPEN or tally.open or len(tally.ended) < at.released:
        return at
    if tally.failed and stage.on_failure == "retry":
        return msgspec.structs.replace(
            at, state=StageState.OPEN, reviving=True, rounds=at.rounds + 1
        )
    return msgspec.structs.replace(at, state=StageState.DONE)


def _is_final(stage: Stage, at: StageRun) -> bool:
    """Tell whether one job that did not end well fails the stage."""
    match stage.on_failure:
        case "stop":
            return True
        case "retry":
            return at.rounds >= stage.retries
        case "continue":
            return False


def _failures(tally: Tally) -> str:
    first = min(tally.failed)
    others = len(tally.failed) - 1
    return f"job {first} is {tally.ended[first].value}" + (f", and {others} more" if others else "")
