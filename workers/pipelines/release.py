"""Enqueuing a stage's jobs, a batch to a transaction that also notes how far that is.

A crash between two batches loses nothing and doubles nothing: the cursor in the run and the jobs
before it are of one revision.
"""

from collections.abc import Collection

import msgspec
from attrs import define, field, frozen

from coord.client import ops
from coord.requests import Compare, Put, TxnOp
from workers.model.places import Places
from workers.pipelines.pages import StagePages
from workers.pipelines.places import group_of
from workers.pipelines.run import Cursor, StageRun, StageState
from workers.pipelines.spec import Call
from workers.steps.enqueue import enqueue
from workers.steps.waiting import limits_of

OPS_MAX = 900  # of one transaction; a job takes two, and one for each of its limits
VALUES_BYTES_MAX = 768 * 1024


@frozen
class Batch:
    """Some jobs to enqueue, and how far the stage is then.

    Attributes:
        stage: the stage then.
        steps: what enqueues them.
        compare: what has to hold for it.
        queues: those taken to be under no limit of their own; see `Places.queue(Q).limit`.
    """

    stage: StageRun
    steps: tuple[TxnOp, ...]
    compare: tuple[Compare, ...]
    queues: tuple[str, ...]


async def next_batch(
    pages: StagePages, at: StageRun, now_unix_ms: int, limited: Collection[str]
) -> Batch:
    """Return the next jobs of an open stage.

    Args:
        pages: of the stage.
        at: how far it is.
        now_unix_ms: when they are enqueued.
        limited: queues known to be under a limit of their own.

    Raises:
        Misuse: a job cannot be enqueued; says why.
    """
    group = group_of(pages.pipeline, pages.stage.name)
    filling = _Filling(pages.places.space, group, pages.stage.feeds, now_unix_ms)
    cursor, item = at.cursor, at.cursor.item
    async for name, calls in pages.after(cursor.page):
        for call in calls[item:]:
            if not filling.add(call, call.queue in limited):
                return filling.batch(at, StageState.OPEN, Cursor(cursor.page, item))
            item += 1
        cursor, item = Cursor(name), 0
    return filling.batch(at, StageState.RUNNING, cursor)


@define
class _Filling:
    """A transaction being filled with jobs."""

    places: Places
    group: str
    feeds: tuple[str, ...]
    now_unix_ms: int
    jobs: int = 0
    values_bytes: int = 0
    steps: list[TxnOp] = field(factory=list)
    compare: dict[Compare, None] = field(factory=dict)
    queues: dict[str, None] = field(factory=dict)

    def add(self, call: Call, queue_limited: bool) -> bool:
        """Take one job; False where it does not fit beside the others."""
        job = call.job(self.group, self.now_unix_ms, self.feeds)
        limits = limits_of(job, call.queue, queue_limited=queue_limited)
        job = msgspec.structs.replace(job, limits=limits)
        move = enqueue(self.places, call.queue, call.priority, job, self.now_unix_ms)
        size_bytes = sum(len(op.value) for op in move.ops if type(op) is Put)
        if self.jobs and (
            len(self.steps) + len(move.ops) > OPS_MAX
            or self.values_bytes + size_bytes > VALUES_BYTES_MAX
        ):
            return False
        self.jobs += 1
        self.values_bytes += size_bytes
        self.steps += move.ops
        self.compare.update(dict.fromkeys(move.compare))
        if not queue_limited:
            self.queues[call.queue] = None
        return True

    def batch(self, at: StageRun, state: StageState, cursor: Cursor) -> Batch:
        """Return what was filled."""
        since = at.since_unix_ms if state is at.state else self.now_unix_ms
        stage = msgspec.structs.replace(
            at, state=state, cursor=cursor, released=at.released + self.jobs, since_unix_ms=since
        )
        return Batch(stage, tuple(self.steps), tuple(self.compare), tuple(self.queues))


def limit_reads(places: Places, queues: tuple[str, ...]) -> list[TxnOp]:
    """Return what to read when a batch was refused: which queues are under a limit."""
    return [ops.get(places.queue(queue).limit) for queue in queues]
