"""Ending a job that does not run: cancelled by request, or expired; and asking one that does."""

from coord.client import ops
from coord.model import KeyValue
from coord.requests import TxnOp
from workers.model.ending import Ending
from workers.model.ids import JobId
from workers.model.job import Job
from workers.model.places import Places
from workers.steps.due import DueKind, due_delete
from workers.steps.held import end_steps
from workers.steps.move import Move


def end_waiting(
    places: Places, job_id: JobId, kv: KeyValue, job: Job, ending: Ending, lease: int = 0
) -> Move:
    """Return the step that ends a job which is ready, parked or waits for its time.

    Args:
        places: of the space.
        job_id: the job's.
        kv: the key it stands in, as read.
        job: what that says.
        ending: what is kept of it.
        lease: that the ending is kept under.
    """
    name = str(job_id).encode()
    steps: list[TxnOp] = [ops.delete(kv.key)]
    if kv.key.startswith(places.queue(job_id.queue).later):
        steps.append(due_delete(places, job.due_unix_ms, job_id, DueKind.RUN))
    steps += [ops.delete(places.waiting(limit) + name) for limit in job.limits]
    steps.append(ops.delete(places.cancel(job_id)))
    steps += end_steps(places, job_id, job, ending, lease)
    return Move((ops.modified(kv.key, "==", kv.mod_revision),), tuple(steps))


def ask_to_end(places: Places, job_id: JobId, held: KeyValue, reason: str) -> Move:
    """Return the step that asks for the end of a job that runs (its key `held`); durable.

    Its worker is told by watch; should it die first, whoever claims the job next sees it.
    """
    return Move(
        (ops.created(held.key, "==", held.create_revision),),
        (ops.put(places.cancel(job_id), reason),),
    )
