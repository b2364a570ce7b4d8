"""What makes a pipeline one that can run: everything else is refused before anything is kept.

Every error names the pipeline's part it is about and what is allowed.
"""

from coord.errors import ErrorCode, Misuse, error_from
from coord.limits import LEASE_TTL_MS_MAX
from workers.gates.conditions import Ended, Signal, Size, Time
from workers.gates.conditions import check as check_condition
from workers.model.checks import TIME_MS_MAX, check_job, check_types, check_whole
from workers.model.ids import rank
from workers.model.job import encode_job
from workers.model.names import check_name
from workers.pipelines.spec import Call, Pipeline, Stage

STAGES_MAX = 200  # all of them stand in one value that each step writes
JOBS_MAX = 100_000  # listed ones
JOB_BYTES_MAX = 512 * 1024  # some of them go into one transaction
JOB_NAME_CHARS_MAX = 200
ALLOWED = (Ended, Size, Signal, Time)


def check(pipeline: Pipeline) -> None:
    """Refuse a pipeline that cannot run.

    Raises:
        Misuse: names what is wrong.
    """
    check_types("pipeline", pipeline)
    check_name("pipeline", pipeline.name)
    if not pipeline.stages:
        raise _wrong(f"pipeline {pipeline.name!r} has no stages")
    if len(pipeline.stages) > STAGES_MAX:
        raise _wrong(f"{len(pipeline.stages)} stages; {STAGES_MAX} are allowed")
    if not 1 <= pipeline.keep_ms <= LEASE_TTL_MS_MAX:
        raise _wrong(f"keep_ms {pipeline.keep_ms}; 1 to {LEASE_TTL_MS_MAX}")
    _check_names(pipeline)
    count = sum(len(stage.jobs) for stage in pipeline.stages)
    if count > JOBS_MAX:
        raise _wrong(f"{count} jobs; {JOBS_MAX} are allowed: let jobs add to a stage instead")
    fed = {name for stage in pipeline.stages for name in stage.feeds}
    for stage in pipeline.stages:
        _check_stage(stage, stage.name in fed)
    _check_order(pipeline)


def check_call(what: str, call: Call) -> None:
    """Refuse a job that could never be enqueued.

    Args:
        what: where it stands, for the error.
        call: to check.

    Raises:
        Misuse: names what is wrong.
    """
    if not 1 <= len(call.name) <= JOB_NAME_CHARS_MAX:
        raise _wrong(f"{what}: a job's name has 1 to {JOB_NAME_CHARS_MAX} characters")
    check_name("queue", call.queue)
    rank(call.priority)
    check_whole(f"{what}: expires_after_ms", call.expires_after_ms, 0, TIME_MS_MAX)
    try:
        check_job(call.job("", 0))
    except Misuse as error:
        raise _wrong(f"{what}: {error}") from None
    size_bytes = len(encode_job(call.job("", 0)))
    if size_bytes > JOB_BYTES_MAX:
        raise _wrong(
            f"{what}: job {call.name!r} takes {size_bytes} bytes; {JOB_BYTES_MAX} are allowed",
            ErrorCode.VALUE_TOO_LARGE,
        )


def _check_names(pipeline: Pipeline) -> None:
    names: set[str] = set()
    for stage in pipeline.stages:
        check_name("stage", stage.name)
        if stage.name in names:
            raise _wrong(f"two stages are named {stage.name!r}")
        names.add(stage.name)
    for stage in pipeline.stages:
        for other in (*stage.needs, *stage.feeds):
            if other not in names:
                raise _wrong(f"stage {stage.name!r} names stage {other!r}, which is not there")


def _check_stage(stage: Stage, is_fed: bool) -> None:
    what = f"stage {stage.name!r}"
    sources = (bool(stage.jobs), stage.for_each is not None, stage.collect is not None)
    if sum(sources) > 1:
        raise _wrong(f"{what}: one of jobs, for_each and collect")
    if not any(sources) and not is_fed:
        raise _wrong(f"{what} has no jobs, and no stage feeds it")
    if (stage.retries > 0) != (stage.on_failure == "retry") or stage.retries < 0:
        raise _wrong(f"{what}: retries go with on_failure 'retry', at least 1")
    if stage.gate is not None:
        check_condition(what, stage.gate, ALLOWED)
    for number, call in enumerate(stage.jobs):
        check_call(f"{what}, job {number}", call)
    if stage.for_each is not None:
        check_call(what, stage.for_each.call)
        if not stage.for_each.arg:
            raise _wrong(f"{what}: for_each needs the argument that takes the result")
    if stage.collect is not None:
        check_call(what, stage.collect.call)
        if not stage.collect.stages:
            raise _wrong(f"{what} collects from no stage")


def _check_order(pipeline: Pipeline) -> None:
    """Refuse stages that wait for each other in a circle, and those that feed no later stage."""
    needs = {stage.name: stage.needs for stage in pipeline.stages}
    awaited: dict[str, set[str]] = {}
    for name in needs:
        _visit(name, needs, awaited, ())
    for stage in pipeline.stages:
        for other in stage.feeds:
            if stage.name not in _strictly_before(other, pipeline, set()):
                raise _wrong(
                    f"stage {stage.name!r} feeds {other!r}, which does not wait for its end: "
                    "name it in `after`"
                )


def _visit(
    name: str, needs: dict[str, tuple[str, ...]], seen: dict[str, set[str]], path: tuple[str, ...]
) -> None:
    if name in path:
        circle = " -> ".join((*path[path.index(name) :], name))
        raise _wrong(f"stages wait for each other in a circle: {circle}")
    if name in seen:
        return
    for other in needs[name]:
        _visit(other, needs, seen, (*path, name))
    seen[name] = set(needs[name])


def _strictly_before(name: str, pipeline: Pipeline, found: set[str]) -> set[str]:
    for other in pipeline.stage(name).awaits:
        if other not in found:
            found.add(other)
            _strictly_before(other, pipeline, found)
    return found


def _wrong(detail: str, code: ErrorCode = ErrorCode.INVALID_OPTION) -> Exception:
    return error_from(code, detail)
