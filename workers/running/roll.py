"""The roll of living workers: what each says of itself, and what it can be told to do.

A worker stands under ``worker/NAME`` for as long as its session lasts; an order to it stands under
``order/NAME`` until it has been taken in.
"""

from enum import Enum

import msgspec

from coord.client import ops
from recipes.decoding import UNREADABLE
from recipes.mirror import read_all
from recipes.port import KeyStore
from workers.model.places import Places

JOBS_TOLD_MAX = 50


class CurrentJob(msgspec.Struct, frozen=True):
    """A job a worker holds."""

    id: str
    name: str
    attempt: int
    started_unix_ms: int = 0
    """When it was started; 0 while it waits for a child."""


class WorkerEntry(msgspec.Struct, frozen=True):
    """What a living worker says of itself, a second old at most.

    Attributes:
        name: its name.
        host, pid: where it runs.
        version: of this software.
        queues: whose jobs it runs, in order.
        slots: how many at a time.
        tags: for whoever looks.
        started_unix_ms: when it was started, by its own clock.
        ending: "" while it works; how it was told to end otherwise.
        children: process ids of its children.
        held: how many jobs it holds.
        jobs: the first of those, at most JOBS_TOLD_MAX.
        done: jobs it has done.
        failed: attempts that came to nothing.
    """

    name: str
    host: str
    pid: int
    version: str
    queues: tuple[str, ...]
    slots: int
    tags: tuple[str, ...] = ()
    started_unix_ms: int = 0
    ending: str = ""
    children: tuple[int, ...] = ()
    held: int = 0
    jobs: tuple[CurrentJob, ...] = ()
    done: int = 0
    failed: int = 0


class Order(Enum):
    """What a worker can be told."""

    DRAIN = "drain"  #: claim nothing more, let running jobs end, end
    STOP = "stop"  #: the same, for as long as its grace lasts
    STACKS = "stacks"  #: tell where the jobs' threads are


async def living_workers(client: KeyStore, places: Places) -> list[WorkerEntry]:
    """Return every living worker, by name."""
    found, _ = await read_all(client, places.workers, prefix=True)
    entries = (read_entry(kv.value) for _, kv in sorted(found.items()))
    return [entry for entry in entries if entry is not None]


async def give_order(client: KeyStore, places: Places, worker: str, order: Order) -> int:
    """Tell a worker what to do.

    Returns:
        The revision of the order, or 0 where no such worker lives; then nothing was written.
    """
    reply = await client.txn(
        [ops.exists(places.workers + worker.encode())],
        [ops.put(places.order(worker), order.value)],
    )
    return reply.revision if reply.succeeded else 0


def read_entry(value: bytes) -> WorkerEntry | None:
    """Return what a value says of a worker, or None where it is no entry."""
    try:
        return msgspec.json.decode(value, type=WorkerEntry)
    except UNREADABLE:
        return None


def read_order(value: bytes) -> Order | None:
    """Return the order a value stands for, or None where it is none."""
    try:
        return Order(value.decode(errors="replace"))
    except ValueError:
        return None
