"""Things to be seen in an overview: a worker on the roll, a member's word, a job that waits."""

import msgspec

from coord.client import ops
from coord.requests import MemberStatus, StatusReply
from coord.testing.local import LocalClient
from coord.version import VERSION
from workers.model.job import Job
from workers.model.places import Places
from workers.running.roll import CurrentJob, WorkerEntry
from workers.store.jobs import JobStore

VOTERS = tuple(MemberStatus(node, f"n{node}", f"p{node}", f"c{node}", True) for node in (1, 2, 3))


def entry(name: str = "w", *queues: str, jobs: tuple[CurrentJob, ...] = ()) -> WorkerEntry:
    """Return what a worker of four slots says of itself."""
    return WorkerEntry(
        name, "box", 1, VERSION, queues or ("q",), 4, held=len(jobs), jobs=jobs, done=7
    )


async def on_the_roll(client: LocalClient, worker: WorkerEntry) -> None:
    """Put a worker on the roll."""
    await client.put(Places().workers + worker.name.encode(), msgspec.json.encode(worker))


async def in_office(client: LocalClient, name: str = "w") -> None:
    """Have a steward."""
    await client.txn(success=[ops.put(Places().steward + b"1", name)])


async def ready(store: JobStore, name: str = "f", queue: str = "q", waited_ms: int = 0) -> None:
    """Enqueue a job that has waited for so long."""
    created_unix_ms = store.site.timer.now_unix_ms() - waited_ms
    await store.enqueue(queue, Job(name, {"secret": "s3cret"}, created_unix_ms=created_unix_ms))


def status(node: int = 1, **changes: object) -> StatusReply:
    """Return what a healthy member of three says, led by the first, with some of it changed."""
    role = "leader" if node == 1 else "follower"
    said = StatusReply(
        5, node, f"n{node}", role, 1, 3, 100, 100, 50, 0, 9, 2, 4, 1000, (), VOTERS, VERSION
    )
    return msgspec.structs.replace(said, **changes)
