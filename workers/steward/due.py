"""The chore of time: what is due under ``due/`` is done, soonest first.

Jobs whose time has come go into line, jobs that were not started in time expire, unique keys whose
window has passed are free again. Only the head of ``due/`` is ever read, a page at a time; between
times the chore sleeps, and a watch tells it of anything sooner. Times are judged by the clock of
the process that runs this.
"""

from collections.abc import Sequence

import structlog

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
            head = await term.client.get(term.places.due, prefix=True, limit=PAGE_ENTRIES)
            now_unix_ms = self._timer.now_unix_ms()
            times = [_when(term.places, kv, now_unix_ms) for kv in head.kvs]
            due = [kv for kv, when in zip(head.kvs, times, strict=True) if when <= now_unix_ms]
            if not due:
                await news.sleep(times[0] if times else None, self._timer)
            elif not await self._do(term, steps, due):
                await self._timer.until(now_unix_ms + STUCK_PAUSE_MS)

    async def _do(self, term: Term, steps: DueSteps, kvs: Sequence[KeyValue]) -> bool:
        """Do what entries say; return whether anything was done.

        Of a job with several entries the first is done, the next is for the next turn: the steps
        of one transaction do not see each other.
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
        moves += await steps.of(list(first.values()))
        taken = await make_moves(term, moves)
        return any(taken)


def _drop(kv: KeyValue) -> Move:
    return Move((ops.modified(kv.key, "==", kv.mod_revision),), (ops.delete(kv.key),))


def _when(places: Places, kv: KeyValue, now_unix_ms: int) -> int:
    """Return the time of an entry; what names none is due now, to be dropped."""
    try:
        return due_unix_ms(places, kv.key)
    except ValueError:
        return now_unix_ms
