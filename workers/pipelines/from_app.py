"""An application's jobs as jobs of a pipeline: checked where all arguments are known.

Stage("parse", listed(*(parse.call(path) for path in paths)))
Stage("merge", collect=Collect(("parse",), template(merge), "counts"))
"""

from typing import Any

from coord.errors import ErrorCode, Misuse
from workers.app.building import new_job
from workers.app.call import Call as AppCall
from workers.app.job_type import JobType
from workers.pipelines.spec import Call
from workers.store.new import NewJob


def listed(*calls: AppCall[Any]) -> tuple[Call, ...]:
    """Return checked calls as jobs of a stage.

    Raises:
        Misuse: one has a unique key, or shall wait for a time: a pipeline has stages for that.
    """
    return tuple(_call(call.new_job(0)) for call in calls)


def template(job: JobType[..., Any], **args: object) -> Call:
    """Return a job that gets its other arguments when its stage opens.

    Args:
        job: of which function; its options count.
        args: those that are known, in plain form.

    Raises:
        Misuse: see `listed`.
        BadArguments: a limit's name needs an argument that is not known yet.
    """
    return _call(new_job(job.name, job.default_options, dict(args), 0))


def _call(new: NewJob) -> Call:
    job = new.job
    if job.unique or job.due_unix_ms:
        detail = f"{job.name}: a job of a pipeline has no unique key, delay or time of its own"
        raise Misuse(detail, ErrorCode.INVALID_OPTION)
    return Call.of(new.queue, new.priority, job)
