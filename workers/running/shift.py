"""A shift: what a worker does under one session, from the first claim to the last verdict.

While the session lasts, the verdict on a job that ended is carried out, however long the cluster
is away. When the session is lost the running jobs are killed: the cluster has given them to
others. When the worker is told to end, they may go on for a while; what is left then is killed and
put back into line at once, one by one.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Sequence

import structlog

from coord.errors import CoordError
from coord.limits import VALUE_BYTES_MAX
from coord.model import KeyValue
from coord.requests import TxnOp
from recipes.errors import SessionLost
from recipes.port import KeptLease
from recipes.progress import Reporter
from workers.model.causes import headline
from workers.model.ids import JobId
from workers.model.job import Job, decode_job
from workers.port import JobClient
from workers.running.backoff import Draw
from workers.running.cancels import Cancels
from workers.running.chores import all_chores
from workers.running.claim import Claim, claim_of
from workers.running.crew import Crew
from workers.running.drawing import Drawing
from workers.running.held_job import HeldJob
from workers.running.joining import join
from workers.running.ledger import Ledger
from workers.running.notice import Notice, Urgency
from workers.running.pace import Pace
from workers.running.registration import Registration
from workers.running.settings import WorkerSettings
from workers.running.settling import Settled
from workers.running.source import Drawn, Source
from workers.running.tally import Tally
from workers.running.verdict import (
    PutBack,
    Verdict,
    before_start,
    bury,
    judge,
)
from workers.running.wire import Failed, Outcome, Report
from workers.steward.steward import Steward
from workers.timer import Timer

LOOK_S = 0.1
KEEP_S = 0.25  # a job that waits here for so long is put back, so that somebody else can run it
STACKS_S = 0.3  # for children to write down where they are
NO_JOB = "(no job)"  # the name under which a value that is none is kept among the dead

log = structlog.get_logger("workers")


class Shift:
    """One session's work; crew, pace and tally belong to the worker and outlive it."""

    def __init__(
        self,
        client: JobClient,
        session: KeptLease,
        settings: WorkerSettings,
        crew: Crew,
        pace: Pace,
        tally: Tally,
        timer: Timer,
        draw: Draw,
    ) -> None:
        self._client = client
        self._session = session
        self._settings = settings
        self._places = places = settings.places
        self._crew = crew
        self._pace = pace
        self._tally = tally
        self._timer = timer
        self._name = settings.name
        self._held: dict[Claim, HeldJob] = {}
        self._settling = 0
        """How many of those the ledger has a verdict on, so that their slots are free."""
        self._backlog: deque[HeldJob] = deque()
        self._reported: set[str] = set()
        self._ledger = Ledger(client, session, places, settings.name, timer, self)
        self._reporter = Reporter(client, session, places.progress, by=settings.name)
        self._cancels = Cancels(client, places)
        self._drawing = Drawing(
            client, session, settings,
            known=self._held, free=lambda: self._free, take=self.drawn,
        )  # fmt: skip
        self._group: asyncio.TaskGroup | None = None
        self._claiming = True
        self._giving = False
        self._draw = draw
        self._empty_handed = asyncio.Event()
        self._registration: Registration | None = None
        self._looking: asyncio.TimerHandle | None = None

    @property
    def held(self) -> Sequence[HeldJob]:
        """What this worker holds, whether it runs or waits for a child."""
        return list(self._held.values())

    async def run(self, notice: Notice, registration: Registration) -> None:
        """Work until told to end; then end or hand back what is held.

        Raises:
            SessionLost: the session ended; whatever was held is in line again.
        """
        try:
            async with self._reporter, self._cancels:
                await self._run(notice, registration)
        finally:
            self._ledger.close()
            self._crew.foreman = None
            self._crew.abandon("the session it ran under was lost")
            if self._looking is not None:
                self._looking.cancel()

    async def _run(self, notice: Notice, registration: Registration) -> None:
        group = asyncio.TaskGroup()
        try:
            async with group:
                self._group, self._registration = group, registration
                self._crew.foreman = self
                following = group.create_task(self._cancels.follow(self._cancel))
                lost = group.create_task(self._fail_when_lost())
                steward = group.create_task(self._stand_for_steward())
                orders = group.create_task(registration.follow_orders())
                saying = group.create_task(registration.keep())
                self._drawing.open(group)
                self._ledger.open(group)
                await notice.at_least(Urgency.DRAIN)
                await self._wind_up(notice)
                for task in (following, lost, steward, orders, saying):
                    task.cancel()
        except BaseExceptionGroup as failures:
            if failures.subgroup(SessionLost) is not None:
                raise SessionLost from None
            raise

    def tell_stacks(self) -> None:
        """Have the children say where they are, and put that where whoever asked looks."""
        if self._group is not None and self._registration is not None:
            join(self._group, self._tell_stacks(self._registration))

    async def _tell_stacks(self, registration: Registration) -> None:
        self._crew.ask_for_stacks()
        await asyncio.sleep(STACKS_S)
        text = self._crew.words[-VALUE_BYTES_MAX // 4 :]
        await registration.say_under(self._places.stacks(self._name), text.encode())

    async def _stand_for_steward(self) -> None:
        if self._settings.steward:
            steward = Steward(
                self._client, self._session, self._places, self._timer,
                all_chores(self._timer), self._name,
            )  # fmt: skip
            await steward.run()

    async def _fail_when_lost(self) -> None:
        await self._session.lost.wait()
        raise SessionLost

    # --- claiming (what the ledger asks, and what it brings) ---

    def wanted(self) -> list[tuple[Source, int]]:
        """See Desk: divide the room there is among queues that may have jobs."""
        if not self._claiming or not self._drawing.is_active or not self._crew.is_ready:
            return []
        ahead = 0 if self._crew.is_stalled else self._pace.ahead(self._settings.crew.slots)
        if self._backlog and not ahead:
            return []
        return self._drawing.wanted(self._free + ahead)

    def drawn(self, source: Source, drawn: Drawn) -> None:
        """See Desk: take in what was claimed."""
        for kv in drawn.kvs:
            self._take(source, kv, drawn.cancels)
        self._drawing.look(source)
        self._give()
        self._ledger.look()

    def _take(self, source: Source, kv: KeyValue, cancels: dict[str, str]) -> None:
        if claim_of(kv) in self._held:
            return  # handed over, and found again where a claim was in doubt
        job_id = JobId(source.queue, kv.key.rpartition(b"/")[2].decode())
        job = decode_job(kv.value)
        if job is None:
            job = Job(NO_JOB, {"value": kv.value}, attempts_max=1)
        held = HeldJob(job_id, kv, job, job.tries + kv.claims)
        self._held[claim_of(kv)] = held
        if cancels:
            held.cancel_reason = cancels.get(str(job_id))
        wish = self._cancels.reason(job_id)
        if wish is not None:
            held.cancel_reason = wish
        self._queue(held)

    def _queue(self, held: HeldJob) -> None:
        """Let a job wait for a child, unless it must not be started."""
        verdict: Verdict | None = before_start(held, self._name, self._timer.now_unix_ms())
        if verdict is None and not self._claiming:
            verdict = PutBack()
        if verdict is None and held.job.name not in self._crew.functions:
            known = ", ".join(sorted(self._crew.functions)) or "none"
            cause = f"no job function named {held.job.name!r}; there are: {known}"
            verdict = bury(held, cause, self._name, self._timer.now_unix_ms())
        if verdict is not None:
            self._settle(held, verdict)
            return
        held.held_s = asyncio.get_running_loop().time()
        self._backlog.append(held)
        self._look_later()

    @property
    def _free(self) -> int:
        return self._settings.crew.slots - len(self._held) + self._settling

    # --- running (what the crew tells) ---

    def room(self) -> None:
        """See Foreman."""
        self._give()
        self._ledger.look()

    def ended(self, held: HeldJob, outcome: Outcome) -> None:
        """See Foreman: choose what follows, and have it carried out."""
        verdict = judge(held, outcome, self._name, self._timer.now_unix_ms(), self._draw)
        if isinstance(outcome, Failed):
            cause = headline(outcome.cause)
            log.warning("attempt failed", job=str(held.id), attempt=held.attempt, cause=cause)
        self._settle(held, verdict)
        self._give_soon()

    def reported(self, held: HeldJob, report: Report) -> None:
        """See Foreman."""
        self._reported.add(str(held.id))
        self._reporter.report(str(held.id), report.done, report.total, report.message)

    def returned(self, jobs: Sequence[HeldJob]) -> None:
        """See Foreman: jobs that were not started are first in line here."""
        for held in reversed(jobs):
            if held.cancel_reason is not None:
                self._queue(held)
            else:
                self._backlog.appendleft(held)
        self._give()
        self._look_later()

    def freed(self, held: HeldJob) -> list[TxnOp]:
        """See Desk."""
        return self._drawing.freed(held.id.queue, claim_of(held.kv))

    def settled(self, held: HeldJob, verdict: Verdict, how: Settled) -> None:
        """See Desk: the job is in other hands now."""
        self._held.pop(claim_of(held.kv), None)
        self._settling -= 1
        self._drawing.let_go(held.id.queue, held.kv)
        if str(held.id) in self._reported:
            self._reported.discard(str(held.id))
            self._reporter.clear(str(held.id))
        if how is Settled.STALE:
            log.warning("refused: the claim had ended", job=str(held.id), attempt=held.attempt)
        self._tally.count(str(held.id), verdict, how, is_leaving=not self._claiming)
        if not self._held:
            self._empty_handed.set()

    def _settle(self, held: HeldJob, verdict: Verdict) -> None:
        """Have a verdict carried out; the job's slot is free."""
        self._settling += 1
        self._ledger.settle(held, verdict)

    def _give_soon(self) -> None:
        """Give waiting jobs to children at the end of this turn, when all that ended is known."""
        if not self._giving and self._backlog:
            self._giving = True
            asyncio.get_running_loop().call_soon(self._give)

    def _give(self) -> None:
        """Give waiting jobs to children that have room."""
        self._giving = False
        if self._backlog and self._crew.foreman is self:
            for _ in range(self._crew.give(iter(self._backlog))):
                self._backlog.popleft()

    # --- cancelling ---

    def _cancel(self, job: str, reason: str) -> None:
        # The last one: of those before it, put back and claimed anew, the answers are under way.
        found = [held for held in self._held.values() if str(held.id) == job]
        held = found[-1] if found else None
        if held is None or held.cancel_reason is not None:
            return
        held.cancel_reason = reason
        if held in self._backlog:
            self._backlog.remove(held)
            self._queue(held)
        else:
            self._crew.cancel(held, reason)

    # --- jobs that wait too long ---

    def _look_later(self) -> None:
        if self._looking is None:
            self._looking = asyncio.get_running_loop().call_later(LOOK_S, self._look)

    def _look(self) -> None:
        """Take back what waits in children behind long jobs, and put back what waits here."""
        self._looking = None
        self._crew.take_back()
        self._give()
        long_ago_s = asyncio.get_running_loop().time() - KEEP_S
        while self._backlog and self._backlog[0].held_s < long_ago_s:
            self._settle(self._backlog.popleft(), PutBack())
        if self._backlog or self._crew.assigned:
            self._look_later()

    # --- ending ---

    async def _wind_up(self, notice: Notice) -> None:
        """Claim nothing more; let what runs end as the notice allows, then hand back the rest."""
        self._claiming = False
        await self._drawing.stop()
        while self._backlog:
            self._settle(self._backlog.popleft(), PutBack())
        await self._let_end(notice)
        for held in self._crew.abandon("the worker was stopped"):
            self._settle(held, PutBack())
        while self._backlog:
            self._settle(self._backlog.popleft(), PutBack())
        await self._drawing.close()
        with contextlib.suppress(TimeoutError, CoordError):
            async with asyncio.timeout(self._settings.hand_back_s):
                await self._ledger.quiet()
        for job in sorted(str(held.id) for held in self._held.values()):
            log.warning("not handed back; the lease will", worker=self._name, job=job)

    async def _let_end(self, notice: Notice) -> None:
        ending = asyncio.create_task(self._all_ended())
        now = asyncio.create_task(notice.at_least(Urgency.NOW))
        late = asyncio.create_task(self._grace_over(notice))
        try:
            await asyncio.wait((ending, now, late), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (ending, now, late):
                task.cancel()
            await asyncio.gather(ending, now, late, return_exceptions=True)

    async def _all_ended(self) -> None:
        await self._ledger.quiet()  # a claim may have been under way
        while self._held:
            self._empty_handed.clear()
            await self._empty_handed.wait()

    async def _grace_over(self, notice: Notice) -> None:
        await notice.at_least(Urgency.STOP)
        await asyncio.sleep(self._settings.grace_s)
