"""Looking at everything: a bounded number of small reads, however many jobs there are.

Jobs are counted, never listed.
"""

import asyncio
from collections.abc import Iterable
from typing import Protocol, runtime_checkable

import msgspec
from attrs import evolve

from coord.errors import CoordError
from coord.requests import StatusReply
from recipes.election import Election
from recipes.progress import Progress
from workers.overview.values import (
    PIPELINES_MAX,
    PROGRESS_MAX,
    QUEUES_MAX,
    SCHEDULES_MAX,
    Member,
    Overview,
)
from workers.pipelines.run import Run
from workers.pipelines.store import PipelineStore
from workers.running.roll import living_workers
from workers.schedules.store import Listed, ScheduleStore
from workers.store.jobs import JobStore
from workers.store.queues import QueueView

ASIDE_MAX = 16  # queues read at once
_progress = msgspec.json.Decoder(Progress)


@runtime_checkable
class AsksMembers(Protocol):
    """A client of a cluster that has members."""

    async def statuses(
        self, *, timeout_ms: float | None = None
    ) -> dict[str, StatusReply | CoordError]:
        """Ask every known member at once."""
        ...


async def look(store: JobStore) -> Overview:
    """Return what is going on now."""
    site, client = store.site, store.client
    reply, leader, members, workers = await asyncio.gather(
        client.get(site.places.steward, limit=1),
        Election(client, site.places.steward).leader(),
        look_at_members(store),
        living_workers(client, site.places),
    )
    queues, progress, pipelines, schedules = await asyncio.gather(
        _queues(store), _all_progress(store), _pipelines(store), _schedules(store)
    )
    return Overview(
        unix_ms=site.timer.now_unix_ms(),
        revision=reply.revision,
        members=members,
        steward="" if leader is None else leader.value.decode(errors="replace") or "(no name)",
        queues=queues[0],
        queues_count=queues[1],
        workers=tuple(workers),
        progress=progress,
        pipelines=pipelines[0],
        pipelines_count=pipelines[1],
        schedules=schedules[0],
        schedules_count=schedules[1],
    )


async def look_at_members(store: JobStore) -> tuple[Member, ...]:
    """Return the members of the cluster, by endpoint; none where the client has no such."""
    client: object = store.client
    if not isinstance(client, AsksMembers):
        return ()
    answers = await client.statuses()
    return tuple(Member.of(endpoint, answer) for endpoint, answer in sorted(answers.items()))


async def with_members(overview: Overview, store: JobStore) -> Overview:
    """Return the same with members as they are now."""
    return evolve(overview, members=await look_at_members(store))


async def _queues(store: JobStore) -> tuple[tuple[QueueView, ...], int]:
    names = await store.queues()
    shown: list[QueueView] = []
    for at in range(0, min(len(names), QUEUES_MAX), ASIDE_MAX):
        some: Iterable[str] = names[at : at + ASIDE_MAX]
        shown += await asyncio.gather(*(store.view(name) for name in some))
    return tuple(shown), len(names)


async def _all_progress(store: JobStore) -> dict[str, Progress]:
    prefix = store.places.progress
    reply = await store.client.get(prefix, prefix=True, limit=PROGRESS_MAX)
    found = {}
    for kv in reply.kvs:
        try:
            found[kv.key.removeprefix(prefix).decode()] = _progress.decode(kv.value)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue  # somebody else's
    return found


async def _pipelines(store: JobStore) -> tuple[tuple[tuple[str, Run], ...], int]:
    pipelines = PipelineStore(store.client, store.places, store.site.timer)
    found = await pipelines.list(limit=PIPELINES_MAX)
    if len(found) < PIPELINES_MAX:
        return tuple(found), len(found)
    counted = await store.client.get(pipelines.places.live, prefix=True, count_only=True)
    return tuple(found), counted.count


async def _schedules(store: JobStore) -> tuple[tuple[Listed, ...], int]:
    schedules = ScheduleStore(store.client, store.places, store.site.timer)
    counted = await store.client.get(schedules.places.specs, prefix=True, count_only=True)
    if not 0 < counted.count <= SCHEDULES_MAX:
        return (), counted.count
    return await schedules.list(), counted.count
