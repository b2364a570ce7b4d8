"""Schedules with real workers: consoles edit them, let them fire in the end, and remove them."""

from collections import Counter

from coord.errors import CoordError
from recipes.testing.actor import Actor, Program
from recipes.testing.hold_checks import Told
from workers.model.job import Job
from workers.schedules.errors import UnknownSchedule
from workers.schedules.store import ScheduleStore
from workers.testing import scheduling
from workers.testing.schedule_books import check_books
from workers.testing.scheduling import LoopTimer
from workers.testing.sim.judging import check_jobs
from workers.testing.sim.play import Play, Wish

SCHEDULED = scheduling.JOB.name


def none(actor: Actor, body: str, now_unix_ms: int) -> Wish:
    """Draw a job: nothing but schedules puts any into this play."""
    return Wish("default", Job(SCHEDULED, {"body": body}, created_unix_ms=now_unix_ms))


PLAY = Play("schedules", none, scheduling.SPACE)


def editing() -> Program:
    """Return the program of a console that leaves nothing behind."""

    async def edit(actor: Actor) -> None:
        with actor.at_work(PLAY.busy):
            await scheduling.console(actor)
            await actor.think(20.0)
            store = ScheduleStore(actor.client, PLAY.places, LoopTimer())
            for name in scheduling.NAMES:
                await _remove(actor, store, name)

    return edit


async def _remove(actor: Actor, store: ScheduleStore, name: str) -> None:
    while True:
        try:
            await store.remove(name)
            return
        except UnknownSchedule:
            return
        except CoordError as error:
            actor.failed(error)
            await actor.think()


def check_schedules(told: Told, play: Play) -> Counter[str]:
    """Judge the jobs and the books of all schedules."""
    counts = check_jobs(told, play)
    counts.update(check_books(told.events, play.space))
    # Jobs of schedules enqueue none, and hardly ever use up their attempts.
    return Counter({what: number for what, number in counts.items() if number})
