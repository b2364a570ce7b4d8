"""Taking a pipeline up again after it failed or was cancelled: what ended well stays done.

Jobs that are dead, cancelled or expired are put back as they were; stages that never opened wait
again. Pure: from the run that ended to the one to go on with.
"""

import msgspec

from coord.errors import ErrorCode, Refused, error_from
from workers.pipelines.errors import NothingToRetry
from workers.pipelines.run import Run, RunState, StageRun, StageState
from workers.pipelines.spec import Pipeline


def taken_up(spec: Pipeline, run: Run, stage: str, now_unix_ms: int) -> Run:
    """Return the run that goes on from one that ended.

    Args:
        spec: what the pipeline is.
        run: how it ended.
        stage: from which stage on; "" for wherever something did not end well.
        now_unix_ms: the time.

    Raises:
        Misuse: there is no such stage.
        NothingToRetry: all of it has ended well.
        Refused: a stage failed that is not asked for; names it.
    """
    if stage and stage not in run.stages:
        detail = f"stage {stage!r}; there are {', '.join(run.stages)}"
        raise error_from(ErrorCode.INVALID_OPTION, detail)
    asked = later_than(spec, stage) if stage else set(run.stages)
    for name, at in run.stages.items():
        if at.state is StageState.FAILED and name not in asked:
            raise Refused(f"stage {name} failed, and it does not come after {stage}: retry that")
    stages = {
        name: _again(at, name == stage, now_unix_ms) if name in asked else at
        for name, at in run.stages.items()
    }
    if stages == run.stages:
        raise NothingToRetry
    return msgspec.structs.replace(
        run,
        stages=stages,
        state=RunState.RUNNING,
        cause="",
        failed=False,
        ended_unix_ms=0,
        retries=run.retries + 1,
    )


def later_than(spec: Pipeline, stage: str) -> set[str]:
    """Return a stage and all that wait for it, or for one that does."""
    found = {stage}
    grown = True
    while grown:
        grown = False
        for other in spec.stages:
            if other.name not in found and found & set(other.needs):
                found.add(other.name)
                grown = True
    return found


def _again(at: StageRun, is_asked_for: bool, now_unix_ms: int) -> StageRun:
    if at.state is StageState.DONE and not is_asked_for:
        return at
    if not at.opened_unix_ms:
        return StageRun(since_unix_ms=now_unix_ms, listed=at.listed)
    return msgspec.structs.replace(
        at, state=StageState.OPEN, reviving=True, rounds=0, cause="", since_unix_ms=now_unix_ms
    )
