"""Why a job does not run now, as far as it and its queue tell; how far one is that does."""

from collections.abc import AsyncIterator

from workers.app.handle import AsyncJobHandle
from workers.commands.job_text import when
from workers.model.job import Job
from workers.model.states import State
from workers.store.cancelling import WAITING
from workers.store.found import Found
from workers.store.jobs import JobStore


async def reasons(store: JobStore, found: Found) -> AsyncIterator[str]:
    """Yield a line for each thing a job waits for, or how far it is."""
    if found.state is State.HELD:
        progress = await AsyncJobHandle[object](store, found.id).progress()
        if progress is not None:
            of = f" of {progress.total}" if progress.total else ""
            yield f"progress  {progress.done}{of} {progress.message}".rstrip()
    if found.state not in WAITING:
        return
    if found.job is not None:
        for reason in _own(found.state, found.job):
            yield f"waits for {reason}"
    view = await store.view(found.id.queue)
    for why, said in sorted(view.shut.items()):
        yield f"waits for its queue to open: {why} {said}".rstrip()
    if found.state is State.READY and not view.shut:
        others = view.counts[State.READY] - 1
        yield f"waits for a worker, as {others} other jobs of its queue do"


def _own(state: State, job: Job) -> list[str]:
    if state is State.LATER:
        return [f"its time, {when(job.due_unix_ms)}"]
    if state is State.PARKED:
        return [f"room under its limits: {' '.join(job.limits)}"]
    return []
