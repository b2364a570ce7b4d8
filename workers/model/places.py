"""Where everything of the job framework stands in the store: the one file that knows its keys.

Under the space's prefix ("coord/" unless told otherwise; Q a queue, ITEM and ID as in `ids`):

    queue/Q/ready/ITEM         may be claimed now, in this order          value: Job
    queue/Q/held/WORKER/ITEM   runs, under the worker's lease             value: Job
    queue/Q/later/ITEM         waits for a time                           value: Job
    queue/Q/parked/ITEM        waits until its limits let it pass         value: Job
    queue/Q/done/ITEM          how it ended, under a lease of its kind    value: Ending
    queue/Q/dead/ITEM          failed for good, can be replayed           value: Job
    queue/Q/shut/WHY           nothing is claimed while any is there: pause, gate-NAME
    queue/Q/limit              names the limit every job of the queue is under
    queue/Q/idle/              workers that found nothing, in line
    queue/Q/free/WORKER/SLOT   a free slot of one of those, under its lease
    queue/Q/handed/WORKER/ITEM tells it of a job put in its hands, until that is settled

    due/MS/KIND/ID             at that unix time (16 hex digits, ms) do what KIND says
    cancel/ID                  a running job shall be stopped
    unique/HASH/ID             the job that stands for this unique key
    limit/NAME/rule            how many at once, how many per time
    limit/NAME/bucket          what is left of the rate, as the steward last counted
    limit/NAME/waiting/ID      parked behind the limit, in this order
    limit/NAME/admitted/ID     counted against it: ready, held
    group/GROUP/open/ID        a job of a group that has not ended
    group/GROUP/ended/ID       one that has; value: its Ending
    group/GROUP/kept/ID        one that was cancelled or expired, to be replayed; value: Job
    progress/ID                how far a running job is, under its worker's lease
    worker/NAME                a living worker, under its lease
    order/NAME                 what a living worker is told to do
    stacks/NAME                where its jobs stood when somebody asked, under its lease
    steward/                   the election of the worker that does the chores
    schedule/, pipeline/, gate/  see `workers.schedules`, `workers.pipelines`, `workers.gates`
"""

from functools import lru_cache
from typing import Any

from attrs import Factory, field, frozen

from workers.model.ids import JobId

SPACE_DEFAULT = b"coord/"


def _under(name: str) -> Any:
    """Declare a place that follows from the prefix."""
    place = name.encode()
    made: Any = Factory(lambda queue: queue.prefix + place, takes_self=True)
    return field(init=False, eq=False, repr=False, default=made)


@frozen
class QueuePlaces:
    """The prefixes of one queue."""

    prefix: bytes
    ready: bytes = _under("ready/")
    """Jobs that may be claimed."""
    held: bytes = _under("held/")
    """Jobs that run: held/WORKER/ITEM."""
    later: bytes = _under("later/")
    """Jobs that wait for a time."""
    parked: bytes = _under("parked/")
    """Jobs that wait for a limit."""
    done: bytes = _under("done/")
    """How jobs ended."""
    dead: bytes = _under("dead/")
    """Jobs that failed for good."""
    shut: bytes = _under("shut/")
    """Reasons to claim nothing."""
    limit: bytes = _under("limit")
    """The limit every job of the queue is under."""
    idle: bytes = _under("idle/")
    """Workers that found nothing to claim, in line."""
    free: bytes = _under("free/")
    """Free slots of workers in line: free/WORKER/SLOT."""
    handed: bytes = _under("handed/")
    """Notes of what workers were handed: handed/WORKER/ITEM."""

    def held_by(self, worker: str) -> bytes:
        """Jobs that run at one worker."""
        return self.held + worker.encode() + b"/"

    def free_of(self, worker: str) -> bytes:
        """The free slots of one worker."""
        return self.free + worker.encode() + b"/"

    def handed_to(self, worker: str) -> bytes:
        """Notes of what one worker was handed."""
        return self.handed + worker.encode() + b"/"


@lru_cache(maxsize=1024)  # asked for at every step of every job
def _queue_places(prefix: bytes) -> QueuePlaces:
    return QueuePlaces(prefix)


@frozen
class Places:
    """Every prefix under one space."""

    space: bytes = SPACE_DEFAULT

    def queue(self, name: str) -> QueuePlaces:
        """Return the places of one queue."""
        return _queue_places(self.queues + name.encode() + b"/")

    @property
    def queues(self) -> bytes:
        """The prefix of all queues."""
        return self.space + b"queue/"

    @property
    def due(self) -> bytes:
        """What is to be done at a time, soonest first."""
        return self.space + b"due/"

    def due_at(self, unix_ms: int) -> bytes:
        """Return the prefix of what is due at a time."""
        return self.due + b"%016x/" % unix_ms

    def cancel(self, job: JobId) -> bytes:
        """Return the key that asks for a running job's end."""
        return self.cancels + str(job).encode()

    @property
    def cancels(self) -> bytes:
        """The prefix of all such keys."""
        return self.space + b"cancel/"

    def unique(self, unique: str) -> bytes:
        """Return the prefix under which stands the one job of a unique key."""
        return self.space + b"unique/" + unique.encode() + b"/"

    def limit(self, name: str) -> bytes:
        """Return the prefix of one limit."""
        return self.limits + name.encode() + b"/"

    @property
    def limits(self) -> bytes:
        """The prefix of all limits."""
        return self.space + b"limit/"

    def rule(self, limit: str) -> bytes:
        """Return the key of a limit's rule."""
        return self.limit(limit) + b"rule"

    def bucket(self, limit: str) -> bytes:
        """Return the key of what is left of a limit's rate."""
        return self.limit(limit) + b"bucket"

    def waiting(self, limit: str) -> bytes:
        """Return the prefix of jobs parked behind a limit."""
        return self.limit(limit) + b"waiting/"

    def admitted(self, limit: str) -> bytes:
        """Return the prefix of jobs counted against a limit."""
        return self.limit(limit) + b"admitted/"

    def group_open(self, group: str) -> bytes:
        """Return the prefix of a group's jobs that have not ended."""
        return self.space + b"group/" + group.encode() + b"/open/"

    def group_ended(self, group: str) -> bytes:
        """Return the prefix of a group's jobs that have."""
        return self.space + b"group/" + group.encode() + b"/ended/"

    def group_kept(self, group: str) -> bytes:
        """Return the prefix of a group's jobs that were cancelled or expired, kept for replay."""
        return self.space + b"group/" + group.encode() + b"/kept/"

    @property
    def groups(self) -> bytes:
        """The prefix of all groups."""
        return self.space + b"group/"

    @property
    def progress(self) -> bytes:
        """How far running jobs are."""
        return self.space + b"progress/"

    @property
    def workers(self) -> bytes:
        """Living workers."""
        return self.space + b"worker/"

    def order(self, worker: str) -> bytes:
        """Return the key that tells a worker what to do."""
        return self.space + b"order/" + worker.encode()

    def stacks(self, worker: str) -> bytes:
        """Return the key under which a worker says where its jobs stand."""
        return self.space + b"stacks/" + worker.encode()

    @property
    def steward(self) -> bytes:
        """The election of the steward."""
        return self.space + b"steward/"

    @property
    def schedules(self) -> bytes:
        """Schedules, their state and their history."""
        return self.space + b"schedule/"

    @property
    def pipelines(self) -> bytes:
        """Pipelines and their state."""
        return self.space + b"pipeline/"

    @property
    def gates(self) -> bytes:
        """Declared gates."""
        return self.space + b"gate/"
