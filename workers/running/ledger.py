"""What a worker tells the store: verdicts on jobs and claims of new ones, in one transaction.

What comes up while a transaction is under way goes with the next one, so a busy worker pays one
round trip for many jobs and an idle one waits for nobody. Every part is fenced on its own. Nothing
is forgotten: what could not be said is said again until the session has ended.
"""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Protocol

import structlog
from attrs import define

from coord.errors import CoordError, ErrorCode, MaybeDone, Misuse, Refused, Unavailable
from coord.requests import Txn, TxnOp
from recipes.errors import SessionLost
from recipes.port import KeptLease
from workers.model.places import Places
from workers.port import JobClient
from workers.result_leases import ResultLeases
from workers.running.held_job import HeldJob
from workers.running.joining import join
from workers.running.settling import Settled, settled, settling, size_bytes
from workers.running.source import Drawn, Source
from workers.running.verdict import End, PutBack, Verdict, bury
from workers.timer import Timer

UNDER_WAY_MAX = 2
SETTLEMENTS_MAX = 128  # in one transaction
BATCH_BYTES_MAX = 512 * 1024
RETRY_S = 0.2

log = structlog.get_logger("workers")


class Desk(Protocol):
    """Who has the ledger kept."""

    def wanted(self) -> list[tuple[Source, int]]:
        """Say how many jobs to claim, and where; asked before each transaction."""
        ...

    def drawn(self, source: Source, drawn: Drawn) -> None:
        """Take what was claimed."""
        ...

    def freed(self, held: HeldJob) -> list[TxnOp]:
        """Say what goes with a verdict that is being carried out; no answer is wanted."""
        ...

    def settled(self, held: HeldJob, verdict: Verdict, how: Settled) -> None:
        """Learn what became of a verdict."""
        ...


@define(eq=False)
class _Entry:
    held: HeldJob
    verdict: Verdict
    alone: bool = False
    """To be sent by itself: a transaction with it and others was refused."""


@define(eq=False)
class _Batch:
    entries: list[_Entry]
    claims: list[tuple[Source, int]]


class Ledger:
    """Use as `async with TaskGroup() as group: ledger.open(group)`; it ends with the group."""

    def __init__(
        self,
        client: JobClient,
        session: KeptLease,
        places: Places,
        worker: str,
        timer: Timer,
        desk: Desk,
    ) -> None:
        self._client = client
        self._session = session
        self._places = places
        self._worker = worker
        self._timer = timer
        self._desk = desk
        self._leases = ResultLeases(client, timer)
        self._entries: list[_Entry] = []
        self._under_way = 0
        self._doubtful: list[Source] = []
        self._paused = False
        self._scheduled = False
        self._group: asyncio.TaskGroup | None = None
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._refusals = 0
        self._narrow = False
        """Whether to say little at a time: an answer to much would have been too large."""

    def open(self, group: asyncio.TaskGroup) -> None:
        """Begin; everything is sent by tasks of this group, which fails with SessionLost."""
        self._group = group
        self.look()

    def close(self) -> None:
        """Say nothing more: the session is over."""
        self._group = None

    def settle(self, held: HeldJob, verdict: Verdict) -> None:
        """Have a verdict carried out, with whatever else there is to say at the end of this turn.

        Whoever keeps the desk is told by `settled`.
        """
        self._entries.append(_Entry(held, verdict))
        self._quiet.clear()
        self.look()

    def look(self) -> None:
        """See at the end of this turn whether there is something to say or to claim."""
        if not self._scheduled and self._group is not None:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._pump)

    async def quiet(self) -> None:
        """Wait until everything has been said."""
        await self._quiet.wait()

    def _pump(self) -> None:
        self._scheduled = False
        if self._group is None:
            return
        if self._doubtful and not self._under_way and not self._paused:
            self._spawn(self._recover)
        while self._can_say_more():
            batch = self._next_batch()
            if batch is None:
                break
            self._spawn(partial(self._send, batch))
        if not self._entries and not self._under_way:
            self._quiet.set()

    def _can_say_more(self) -> bool:
        is_free = self._group is not None and self._under_way < UNDER_WAY_MAX
        return is_free and not (self._doubtful or self._paused)

    def _spawn(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        assert self._group is not None
        if join(self._group, self._done_after(work)) is None:
            self.close()
        else:
            self._under_way += 1

    async def _done_after(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await work()
        finally:
            self._under_way -= 1
            self.look()

    def _next_batch(self) -> _Batch | None:
        alone = bool(self._entries) and self._entries[0].alone
        count = 1 if alone else SETTLEMENTS_MAX
        entries = self._entries[:count]
        claims = [] if alone or (self._narrow and entries) else self._desk.wanted()
        if self._narrow:
            del claims[1:]
        if not entries and not claims:
            return None
        del self._entries[:count]
        for source, limit in claims:
            source.under_way += limit
        return _Batch(entries, claims)

    async def _send(self, batch: _Batch) -> None:
        try:
            await self._say(batch)
        except MaybeDone as error:
            log.warning("answer lost; looking", worker=self._worker, error=str(error))
            self._doubtful += [source for source, _ in batch.claims]
            for source, _ in batch.claims:
                source.doubt()
            self._entries[:0] = batch.entries
        except Unavailable as error:
            self._entries[:0] = batch.entries
            self._check_session()
            self._pause(error)
        except CoordError as error:
            self._refused(batch, error)
        finally:
            for source, limit in batch.claims:
                source.under_way -= limit

    async def _say(self, batch: _Batch) -> None:
        now_unix_ms = self._timer.now_unix_ms()
        steps: list[TxnOp] = []
        size = 0
        for at, entry in enumerate(batch.entries):
            step = await self._step(entry, now_unix_ms)
            size += size_bytes(step)
            if steps and size > BATCH_BYTES_MAX:
                self._entries[:0] = batch.entries[at:]
                del batch.entries[at:]
                break
            steps.append(step)
        steps += [source.claiming(limit) for source, limit in batch.claims]
        for entry in batch.entries:
            steps += self._desk.freed(entry.held)
        reply = await self._client.txn(success=steps)
        self._refusals = 0
        replies = iter(reply.replies)
        for entry in batch.entries:
            self._desk.settled(entry.held, entry.verdict, settled(next(replies), entry.held))
        hides = any(_puts_into_line(entry.verdict) for entry in batch.entries)
        for source, limit in batch.claims:
            self._desk.drawn(source, source.claimed(next(replies), limit, hides=hides))

    async def _step(self, entry: _Entry, now_unix_ms: int) -> Txn:
        held, lease = entry.held, 0
        if held.job.result_ttl_ms and not isinstance(entry.verdict, PutBack):
            lease = await self._leases.lease_for(held.job.result_ttl_ms)
        return settling(self._places, self._worker, held, entry.verdict, lease, now_unix_ms)

    def _refused(self, batch: _Batch, error: CoordError) -> None:
        """Take note of a transaction the store will not have, as it stands."""
        self._entries[:0] = batch.entries
        if isinstance(error, Refused) and error.code is ErrorCode.LEASE_NOT_FOUND:
            self._check_session()
            # The session's lease, unless it is one that endings are kept under.
            self._refusals += 1
            if self._refusals > 1:
                raise SessionLost from error
            self._leases.forget()
            return
        if not isinstance(error, Misuse | Refused):
            raise error
        if error.code is ErrorCode.REPLY_TOO_LARGE and not self._narrow:
            self._narrow = True
            return
        log.error("refused", worker=self._worker, jobs=len(batch.entries), error=str(error))
        if len(batch.entries) == 1:
            entry = self._entries[0]
            cause = f"the store refused what became of it: {error}"
            entry.verdict = bury(entry.held, cause, self._worker, self._timer.now_unix_ms())
            if entry.alone:
                # Nothing of it can be said: it stays held until the session ends.
                del self._entries[0]
                self._desk.settled(entry.held, entry.verdict, Settled.STALE)
        if not batch.entries:
            raise error
        for entry in batch.entries:
            entry.alone = True

    def _check_session(self) -> None:
        if self._session.lost.is_set():
            raise SessionLost

    def _pause(self, error: BaseException) -> None:
        log.warning("cluster unavailable", worker=self._worker, error=str(error))
        self._paused = True
        asyncio.get_running_loop().call_later(RETRY_S, self._go_on)

    def _go_on(self) -> None:
        self._paused = False
        self.look()

    async def _recover(self) -> None:
        """Find what was claimed by transactions whose answers were lost."""
        sources = list(dict.fromkeys(self._doubtful))
        try:
            for source in sources:
                self._desk.drawn(source, await source.recover())
                self._doubtful = [each for each in self._doubtful if each is not source]
        except (Unavailable, MaybeDone) as error:
            self._check_session()
            self._pause(error)


def _puts_into_line(verdict: Verdict) -> bool:
    return isinstance(verdict, PutBack) or (isinstance(verdict, End) and bool(verdict.spawned))
