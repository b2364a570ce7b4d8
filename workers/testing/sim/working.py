"""Programs that are workers: real ones, with hands in place of child processes, stewards included.

They live for a while, are told to end in one way or another, and start anew, some under the same
name.
"""

import asyncio
from collections.abc import Awaitable, Callable

import attrs
import msgspec

from recipes.testing.actor import Actor
from workers.running.crew_settings import CrewSettings
from workers.running.notice import Urgency
from workers.running.pace import Pace
from workers.running.roll import WorkerEntry
from workers.running.settings import WorkerSettings
from workers.running.tally import Tally
from workers.running.worker import Worker
from workers.testing.inline_crew import InlineCrew
from workers.testing.scheduling import LoopTimer
from workers.testing.sim.functions import SimFunctions
from workers.testing.sim.play import QUEUES, Play

_URGENCIES = (Urgency.DRAIN, Urgency.STOP, Urgency.NOW)
_PATIENCE_S = 60.0  # a worker that was told to end has ended by then


class _Ahead(Pace):
    """A pace that does not depend on how long anything takes."""

    def __init__(self, jobs: int) -> None:
        super().__init__()
        self._jobs = jobs

    def ahead(self, slots: int) -> int:
        """Return how many jobs are claimed beyond those that run."""
        return self._jobs


class SimWorker(Worker):
    """A worker that says nothing of the machine it runs on, and whose pace is given."""

    def __init__(self, actor: Actor, play: Play, name: str) -> None:
        luck, timer = actor.luck, LoopTimer()
        crew = CrewSettings(
            "inline:app",
            slots=luck.choice((1, 3)),
            jobs_per_child_max=luck.choice((0, 0, 5)),
            cancel_grace_ms=150,
        )
        settings = WorkerSettings(
            name,
            crew,
            tuple(luck.sample(QUEUES, len(QUEUES))),
            fair=luck.random() < 0.5,
            ttl_ms=actor.ttl_ms,
            grace_s=0.1,
            places=play.places,
            hand_back_s=0.5,
        )
        hands = InlineCrew(crew, timer, SimFunctions(actor, play), None)
        super().__init__(actor.client, settings, timer, crew=hands, draw=luck.random)
        self._pace = _Ahead(luck.choice((0, 0, 3)))

    def entry(self) -> WorkerEntry:
        """Return what is to be said of this worker now."""
        return msgspec.structs.replace(super().entry(), host="simulated", pid=1)


def working(play: Play) -> Callable[[Actor], Awaitable[None]]:
    """Return the program of a worker of a play."""

    async def work(actor: Actor) -> None:
        over = asyncio.ensure_future(actor.until(lambda: play.is_over(actor)))
        lives = 0
        try:
            while not over.done():
                lives += 1
                await _live(actor, play, lives, over)
        finally:
            over.cancel()

    return work


async def _live(actor: Actor, play: Play, number: int, over: asyncio.Future[None]) -> None:
    luck = actor.luck
    is_known = luck.random() < 0.3  # by the name of one before, which may still be on the roll
    machine, _, rest = actor.name.partition(".")
    name = f"{machine}.{rest.rpartition('.')[2]}" if is_known else f"{actor.name}.{number}"
    worker = SimWorker(actor, play, name)
    running = asyncio.create_task(worker.run(), name=f"worker {name}")
    try:
        patience_s = luck.choice((None, None, 2.0, 0.5))
        await asyncio.wait((running, over), timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
        worker.notice.give(luck.choice(_URGENCIES))
        await asyncio.wait_for(running, _PATIENCE_S)
        actor.count("workers ended as told")
    finally:
        running.cancel()
        for what, number in _told(worker.tally).items():
            actor.journal.counts[what] += number


def _told(tally: Tally) -> dict[str, int]:
    counts = attrs.asdict(tally)
    counts["handed_back"] = len(tally.handed_back)
    return {f"workers: {what.replace('_', ' ')}": number for what, number in counts.items()}
