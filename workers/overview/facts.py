"""What a doctor looks at beside the overview: who waits, what failed, how far behind things are."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable

from attrs import field, frozen

from coord.errors import CoordError
from workers.limits.reading import LimitView
from workers.limits.store import LimitStore
from workers.model.causes import headline
from workers.model.states import State
from workers.overview.looking import look, look_at_members
from workers.overview.values import Member, Overview
from workers.steps.due import due_unix_ms
from workers.store.found import Found
from workers.store.jobs import JobStore
from workers.store.queues import QueueView

DEAD_LOOKED_AT = 50  # in each queue
UNMOVED_MS = 1_000
READS = 5  # timed, one after another


@frozen
class QueueFacts:
    """One queue.

    Attributes:
        view: as `coord queue show` has it.
        served_by: living workers that run its jobs and are not told to end.
        oldest: the job that is claimed next; None where none is ready.
        dead: the first of its dead jobs.
    """

    view: QueueView
    served_by: tuple[str, ...] = ()
    oldest: Found | None = None
    dead: tuple[Found, ...] = ()

    @property
    def causes(self) -> Counter[str]:
        """Why the dead jobs failed, in a line each, of those looked at."""
        return Counter(why_in_short(found) for found in self.dead)


@frozen
class Facts:
    """All that was found out.

    Attributes:
        unix_ms: when, by this machine's clock.
        members: of the cluster.
        overview: None where the store does not answer.
        trouble: why it does not; "" where it does.
        queues: by name.
        limits: by name.
        due_unix_ms: the soonest time something is due by; None for nothing.
        unmoved: queues ("queue NAME") and limits ("limit NAME") whose first job stood there still
            after a second, though there was room for it.
        read_ms: what linearizable reads took, sorted.
        counts: keys by place.
    """

    unix_ms: int
    members: tuple[Member, ...] = ()
    overview: Overview | None = None
    trouble: str = ""
    queues: tuple[QueueFacts, ...] = ()
    limits: tuple[LimitView, ...] = ()
    due_unix_ms: int | None = None
    unmoved: frozenset[str] = frozenset()
    read_ms: tuple[float, ...] = ()
    counts: dict[str, int] = field(factory=dict)


async def find_facts(store: JobStore) -> Facts:
    """Look at everything once; a store that does not answer is a fact, too."""
    now_unix_ms = store.site.timer.now_unix_ms()
    members = await look_at_members(store)
    try:
        read_ms = await _timed_reads(store)
        overview = await look(store)
        queues = tuple([await _queue(store, overview, view) for view in overview.queues])
        limits = tuple(await LimitStore(store.client, store.places, store.site.timer).list())
        return Facts(
            unix_ms=now_unix_ms,
            members=members,
            overview=overview,
            queues=queues,
            limits=limits,
            due_unix_ms=await _soonest_due(store),
            unmoved=await _unmoved(store, overview, queues, limits),
            read_ms=read_ms,
            counts=await _counts(store),
        )
    except CoordError as error:
        trouble = str(error) or type(error).__name__
        return Facts(now_unix_ms, members, trouble=trouble)


def why_in_short(found: Found) -> str:
    """Return in one line why a job failed."""
    ending, job = found.ending, found.job
    cause = ending.cause if ending is not None else ""
    if not cause and job is not None and job.history:
        cause = job.history[-1].cause
    return headline(cause)


def free_slots(overview: Overview, queue: QueueFacts) -> int:
    """Return how many jobs more the workers of a queue could run."""
    return sum(
        max(0, worker.slots - worker.held)
        for worker in overview.workers
        if worker.name in queue.served_by
    )


async def _unmoved(
    store: JobStore,
    overview: Overview,
    queues: Iterable[QueueFacts],
    limits: Iterable[LimitView],
) -> frozenset[str]:
    """Look a second time, a second later, where jobs wait though there is room for them."""
    suspects = {
        store.places.queue(queue.view.name).ready: (f"queue {queue.view.name}", queue.oldest.kv.key)
        for queue in queues
        if queue.oldest is not None and not queue.view.shut and free_slots(overview, queue)
    }
    for limit in limits:
        if limit.waiting_count and limit.room != 0:
            prefix = store.places.waiting(limit.name)
            reply = await store.client.get(prefix, prefix=True, limit=1)
            for kv in reply.kvs:
                suspects[prefix] = (f"limit {limit.name}", kv.key)
    if not suspects:
        return frozenset()
    timer = store.site.timer
    await timer.until(timer.now_unix_ms() + UNMOVED_MS)
    unmoved = []
    for prefix, (name, key) in suspects.items():
        reply = await store.client.get(prefix, prefix=True, limit=1)
        unmoved += [name for kv in reply.kvs if kv.key == key]
    return frozenset(unmoved)


async def _queue(store: JobStore, overview: Overview, view: QueueView) -> QueueFacts:
    served_by = tuple(
        worker.name
        for worker in overview.workers
        if view.name in worker.queues and not worker.ending
    )
    oldest: Iterable[Found] = ()
    dead: tuple[Found, ...] = ()
    if view.counts[State.READY]:
        oldest = (await store.list(view.name, State.READY, 1)).jobs
    if view.counts[State.DEAD]:
        dead = (await store.list(view.name, State.DEAD, DEAD_LOOKED_AT)).jobs
    return QueueFacts(view, served_by, next(iter(oldest), None), dead)


async def _soonest_due(store: JobStore) -> int | None:
    reply = await store.client.get(store.places.due, prefix=True, limit=1)
    for kv in reply.kvs:
        try:
            return due_unix_ms(store.places, kv.key)
        except ValueError:
            return None
    return None


async def _timed_reads(store: JobStore) -> tuple[float, ...]:
    took_ms = []
    for _ in range(READS):
        before_s = time.perf_counter()
        await store.client.get(store.places.steward, limit=1)
        took_ms.append(1000 * (time.perf_counter() - before_s))
    return tuple(sorted(took_ms))


async def _counts(store: JobStore) -> dict[str, int]:
    places = store.places
    prefixes = {
        "all": places.space, "queues": places.queues, "due": places.due, "cancel": places.cancels,
        "limits": places.limits, "groups": places.groups, "progress": places.progress,
        "workers": places.workers, "schedules": places.schedules, "pipelines": places.pipelines,
        "gates": places.gates,
    }  # fmt: skip
    replies = await asyncio.gather(
        *(store.client.get(prefix, prefix=True, count_only=True) for prefix in prefixes.values())
    )
    return {name: reply.count for name, reply in zip(prefixes, replies, strict=True)}
