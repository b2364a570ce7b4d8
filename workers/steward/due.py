"""The chore of time: what is due under ``due/`` is done, soonest first.

Jobs whose time has come go into line, jobs that were not started in time expire, unique keys whose
window has passed are free again. Only the head of ``due/`` is ever read, a page at a time; between
times the chore sleeps, and a watch tells it of anything sooner. Times are judged by the clock of
the process that runs this.
"""

import asyncio
from collections.abc import Sequence

import structlog
from attrs import define

from coord.client import ops
from coord.model import KeyValue
from workers.model.ids import JobId
from workers.model.places import Places
from workers.result_leases import ResultLeases
from workers.steps.due import Due, due_unix_ms, read_due
from workers.steps.move import Move
from workers.steward.chore import Term
from workers.steward.due_steps import DueSteps
from workers.steward.moving import make_moves
from workers.steward.news import SoonerNews
from workers.steward.together import together
from workers.timer import Timer

PAGE_ENTRIES = 1000
STUCK_PAUSE_MS = 100  # when nothing of what is due could be done

log = structlog.get_logger("steward")


class DueChore:
    """See the module."""

    name = "due"

    def __init__(self, timer: Timer) -> None:
        self._timer = timer

    async def run(self, term: Term) -> None:
        """Do what is due until cancelled."""
        prefix = term.places.due
        news = SoonerNews(
            term.client, prefix, lambda kv: _when(term.places, kv, self._timer.now_unix_ms())
        )
        revision = (await term.client.get(prefix)).revision
        await together(news.follow(revision), self._work(term, news))

    async def _work(self, term: Term, news: SoonerNews) -> None:
        steps = DueSteps(term, self._timer, ResultLeases(term.client, self._timer))
        while True:
            news.clear()
            swept = await self._sweep(term, steps)
            if swept.left and not swept.done:
                await self._timer.until(self._timer.now_unix_ms() + STUCK_PAUSE_MS)
            elif not swept.left:
                await news.sleep(swept.next_unix_ms, self._timer)

    async def _sweep(self, term: Term, steps: DueSteps) -> "_Swept":
        """Do all that is due, page by page; while one is written the next is read."""
        start, end = term.places.due, ops.prefix_end(term.places.due)
        swept, writing = _Swept(), asyncio.ensure_future(_nothing())
        try:
            while True:
                page = await term.client.get(start, range_end=end, limit=PAGE_ENTRIES)
                now_unix_ms = self._timer.now_unix_ms()
                times = [_when(term.places, kv, now_unix_ms) for kv in page.kvs]
                due = [kv for kv, when in zip(page.kvs, times, strict=True) if when <= now_unix_ms]
                moves = await self._moves(term, steps, due)
                swept.left |= len(moves) < len(due)
                swept.note(await writing)
                writing = asyncio.ensure_future(make_moves(term, moves))
                if len(due) < len(page.kvs) or not page.more:
                    swept.next_unix_ms = times[len(due)] if len(due) < len(times) else None
                    swept.note(await writing)
                    return swept
                start = page.kvs[-1].key + b"\0"
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)

    async def _moves(self, term: Term, steps: DueSteps, kvs: Sequence[KeyValue]) -> list[Move]:
        """Return what entries ask for.

        Of a job with several entries only the first is minded: the steps of one transaction do not
        see each other.
        """
        first: dict[JobId, Due] = {}
        moves: list[Move] = []
        for kv in kvs:
            try:
                due = read_due(term.places, kv)
            except ValueError as error:
                log.error("dropped an entry that is none", key=kv.key, error=str(error))
                moves.append(_drop(kv))
                continue
            first.setdefault(due.job, due)
        return [*moves, *await steps.of(list(first.values()))]


@define
class _Swept:
    """What a sweep did.

    Attributes:
        done: whether anything was done.
        left: whether something that is due was not.
        next_unix_ms: when the first entry that was not due will be.
    """

    done: bool = False
    left: bool = False
    next_unix_ms: int | None = None

    def note(self, taken: Sequence[bool]) -> None:
        """Count which steps were taken."""
        self.done |= any(taken)
        self.left |= not all(taken)


async def _nothing() -> list[bool]:
    return []


def _drop(kv: KeyValue) -> Move:
    return Move((ops.modified(kv.key, "==", kv.mod_revision),), (ops.delete(kv.key),))


def _when(places: Places, kv: KeyValue, now_unix_ms: int) -> int:
    """Return the time of an entry; what names none is due now, to be dropped."""
    try:
        return due_unix_ms(places, kv.key)
    except ValueError:
        return now_unix_ms
