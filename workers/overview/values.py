"""All that is going on in a cluster, for a person to look at: one value, bounded in size."""

from collections.abc import Mapping

from attrs import evolve, frozen

from coord.errors import CoordError
from coord.requests import StatusReply
from recipes.progress import Progress
from workers.pipelines.run import Run
from workers.running.roll import WorkerEntry
from workers.schedules.store import Listed
from workers.store.queues import QueueView

QUEUES_MAX = 200
PROGRESS_MAX = 500
PIPELINES_MAX = 50
SCHEDULES_MAX = 500


@frozen
class Member:
    """One member as it sees itself, or why it does not answer.

    Attributes:
        endpoint: its address for clients.
        status: what it says; None where it does not.
        error: why; "" where it answers.
    """

    endpoint: str
    status: StatusReply | None = None
    error: str = ""

    @classmethod
    def of(cls, endpoint: str, answer: StatusReply | CoordError) -> "Member":
        """Return what an answer says."""
        if isinstance(answer, CoordError):
            return cls(endpoint, error=str(answer) or type(answer).__name__)
        return cls(endpoint, answer)


@frozen
class Overview:
    """What is going on; queues and workers by name.

    Attributes:
        unix_ms: when it was looked at, by this machine's clock.
        revision: of the store then, about: the parts are read one after another.
        members: of the cluster, by endpoint; empty where the client cannot ask them.
        steward: who does the chores; "" for nobody.
        queues: the first QUEUES_MAX.
        queues_count: how many there are.
        workers: those that live.
        progress: what running jobs say of themselves, by id; PROGRESS_MAX at most.
        pipelines: those that live, the oldest PIPELINES_MAX.
        pipelines_count: keys of living pipelines, about how many there are.
        schedules: SCHEDULES_MAX at most.
        schedules_count: how many there are.
    """

    unix_ms: int
    revision: int
    members: tuple[Member, ...]
    steward: str
    queues: tuple[QueueView, ...]
    queues_count: int
    workers: tuple[WorkerEntry, ...]
    progress: Mapping[str, Progress]
    pipelines: tuple[tuple[str, Run], ...]
    pipelines_count: int
    schedules: tuple[Listed, ...]
    schedules_count: int

    def shows_the_same(self, other: "Overview") -> bool:
        """Tell whether nothing but time and revision differ; members aside."""
        return self._timeless() == other._timeless()

    def _timeless(self) -> "Overview":
        queues = tuple(evolve(queue, revision=0) for queue in self.queues)
        return evolve(self, unix_ms=0, revision=0, members=(), queues=queues)


@frozen
class Rates:
    """How much ended per second between two looks.

    Attributes:
        queues: endings that came to be kept, by queue.
        workers: jobs done and attempts failed, by worker.
    """

    queues: Mapping[str, float]
    workers: Mapping[str, float]


def rates(before: Overview | None, now: Overview) -> Rates:
    """Return what ended per second from one look to the next; zeros without the one before."""
    if before is None or now.unix_ms <= before.unix_ms:
        return Rates({}, {})
    seconds = (now.unix_ms - before.unix_ms) / 1000
    kept = {queue.name: sum_ended(queue) for queue in before.queues}
    did = {worker.name: _did(worker) for worker in before.workers}
    return Rates(
        {
            queue.name: max(0, sum_ended(queue) - kept[queue.name]) / seconds
            for queue in now.queues
            if queue.name in kept
        },
        {
            worker.name: max(0, _did(worker) - did[worker.name]) / seconds
            for worker in now.workers
            if worker.name in did
        },
    )


def sum_ended(queue: QueueView) -> int:
    """Return how many endings of a queue are kept."""
    return sum(count for state, count in queue.counts.items() if state.value in ("done", "dead"))


def _did(worker: WorkerEntry) -> int:
    return worker.done + worker.failed
