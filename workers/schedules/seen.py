"""What a steward was told of schedules by watch, and what it knows from its own steps.

It may be behind the store by a moment. That does no harm: each step is taken on condition that what
it was decided from is so, and what is recalled after one that was refused is nothing, so that it
is read anew.
"""

import asyncio
from collections.abc import Callable

import structlog
from attrs import evolve

from coord.model import Event, EventKind, KeyValue
from recipes.mirror import Mirror
from recipes.port import KeyStore
from workers.model.ids import JobId
from workers.schedules.checks import decode_schedule
from workers.schedules.firing import Known
from workers.schedules.places import SchedulePlaces
from workers.schedules.reading import standing_job
from workers.schedules.values import Overlap
from workers.steward.together import together

YIELD_EVERY = 256  # schedules taken in before others of this process get a turn

log = structlog.get_logger("schedules")


class Seen:
    """Every schedule there is, its job that has not ended, and the last that was known of it."""

    def __init__(
        self, client: KeyStore, places: SchedulePlaces, look: Callable[[str], None]
    ) -> None:
        """Prepare.

        Args:
            client: to watch with.
            places: of schedules.
            look: called with the name of each schedule that is to be looked at: it is new, was
                edited, or something it may wait for has happened.
        """
        self._client = client
        self._places = places
        self._look = look
        self._queues: dict[str, str] = {}
        self._waiting: set[str] = set()
        self._known: dict[str, Known] = {}
        self._standing: dict[str, JobId] = {}

    async def follow(self) -> None:
        """Take in what is there and what changes, until cancelled.

        Raises:
            Unavailable: there is nobody to follow.
        """
        client, places = self._client, self._places
        async with (
            Mirror(client, places.standings) as standings,
            Mirror(client, places.backfills) as backfills,
            Mirror(client, places.specs) as specs,
        ):
            for kv in standings.keys.values():
                self._stands(kv)
            for number, kv in enumerate(list(specs.keys.values()), 1):
                self._take_spec(kv)
                if number % YIELD_EVERY == 0:
                    await asyncio.sleep(0)
            await together(
                _follow(standings, self._take_standing),
                _follow(backfills, self._take_backfill),
                _follow(specs, self._take_spec_event),
            )

    def queue_of(self, name: str) -> str | None:
        """Return the queue a schedule fills; None where there is no such schedule."""
        return self._queues.get(name)

    def recall(self, name: str) -> Known | None:
        """Return what is known of a schedule; None where that has to be read."""
        known = self._known.get(name)
        return None if known is None else evolve(known, standing=self._standing.get(name))

    def remember(self, known: Known) -> None:
        """Know this of a schedule, until news or `forget`."""
        name = known.schedule.name
        if name in self._queues:
            self._queues[name] = known.schedule.queue
            self._known[name] = known

    def forget(self, name: str) -> bool:
        """Have a schedule read anew when it is looked at next; return whether it was known."""
        return self._known.pop(name, None) is not None

    def _take_spec_event(self, event: Event) -> None:
        if event.kind is EventKind.PUT:
            self._take_spec(event.kv)
        else:
            self._drop(self._name(event.kv, self._places.specs))

    def _take_spec(self, kv: KeyValue) -> None:
        name = self._name(kv, self._places.specs)
        self._drop(name)
        schedule = decode_schedule(kv.value)
        if schedule is None or schedule.name != name:
            log.error("what stands here is no schedule", key=kv.key)
            return
        self._queues[name] = schedule.queue
        if schedule.overlap in (Overlap.QUEUE, Overlap.CANCEL_OLD):
            self._waiting.add(name)
        self._look(name)

    def _drop(self, name: str) -> None:
        self._queues.pop(name, None)
        self._known.pop(name, None)
        self._waiting.discard(name)

    def _take_backfill(self, event: Event) -> None:
        name = self._name(event.kv, self._places.backfills)
        self.forget(name)
        if event.kind is EventKind.PUT and name in self._queues:
            self._look(name)

    def _take_standing(self, event: Event) -> None:
        if event.kind is EventKind.PUT:
            self._stands(event.kv)
            return
        name = self._standing_name(event.kv)
        gone = standing_job(self._places, name, event.kv)
        if self._standing.get(name) == gone:
            self._standing.pop(name, None)
        if name in self._waiting:
            self._look(name)

    def _stands(self, kv: KeyValue) -> None:
        name = self._standing_name(kv)
        job_id = standing_job(self._places, name, kv)
        if job_id is not None:
            self._standing[name] = job_id

    def _standing_name(self, kv: KeyValue) -> str:
        return self._name(kv, self._places.standings).rpartition("/")[0]

    def _name(self, kv: KeyValue, prefix: bytes) -> str:
        return kv.key.removeprefix(prefix).decode(errors="replace")


async def _follow(mirror: Mirror, take: Callable[[Event], None]) -> None:
    while True:
        for event in await mirror.change():
            take(event)
