"""The chore of limits: parked jobs are admitted in order, as soon as their limits let them pass.

It looks at a limit when something happened to it (a job came, ended, waits for another try; the
rule was set) and when its rate has something to give again. What it decides by is read from the
store each time, and written on condition that the rules are still the same. Nobody else admits, so
a count may be too high when it is used, never too low: no more than a rule allows are admitted at
any revision.

Jobs that were ready when their queue came under a limit are parked behind it. Those that ran then
are not counted.
"""

from collections import Counter

import structlog

from coord.client import ops
from coord.errors import CoordError, ErrorCode
from coord.model import Event, EventKind, KeyValue
from coord.requests import TxnOp
from recipes.port import next_batch
from workers.limits.bucket import encode_bucket, next_token_unix_ms, taken
from workers.limits.deciding import Candidate, decide
from workers.limits.reading import LimitView, limit_names, name_of, read_limits
from workers.limits.rule import queue_of
from workers.model.ids import JobId
from workers.model.job import Job, decode_job
from workers.steps.move import Move
from workers.steps.waiting import admit
from workers.steward.attention import Attention
from workers.steward.chore import Term
from workers.steward.moving import make_moves
from workers.steward.parking import park_ready
from workers.steward.reading import read_keys
from workers.steward.together import together
from workers.timer import Timer

LIMITS_AT_ONCE = 64
JOBS_AT_ONCE = 512  # looked at in one turn, over all its limits
WINDOW_MAX = 2048  # jobs of one line looked at when those before them wait for other limits

log = structlog.get_logger("steward")


class AdmissionChore:
    """See the module."""

    name = "admission"

    def __init__(self, timer: Timer) -> None:
        self._timer = timer

    async def run(self, term: Term) -> None:
        """Admit until cancelled."""
        await _Desk(term, self._timer).run()


class _Desk:
    """The chore during one term."""

    def __init__(self, term: Term, timer: Timer) -> None:
        self._term = term
        self._timer = timer
        self._lines = Attention(timer)
        self._queues = Attention(timer)
        self._windows: dict[str, int] = {}

    async def run(self) -> None:
        revision = (await self._term.client.get(self._term.places.limits)).revision
        await self._call_all()
        await together(self._follow(revision), self._admit(), self._park())

    async def _call_all(self) -> None:
        names = await limit_names(self._term.client, self._term.places)
        self._lines.call(names)
        self._queues.call(queue for name in names if (queue := queue_of(name)))

    async def _follow(self, revision: int) -> None:
        while True:
            try:
                async with self._term.client.watch(
                    self._term.places.limits, prefix=True, start_revision=revision + 1
                ) as watch:
                    while True:
                        for event in (await next_batch(watch)).events:
                            self._see(event)
            except CoordError as error:
                if error.code is not ErrorCode.COMPACTED:
                    raise
            revision = (await self._term.client.get(self._term.places.limits)).revision
            await self._call_all()

    def _see(self, event: Event) -> None:
        name = name_of(self._term.places, event.kv.key)
        part = event.kv.key[len(self._term.places.limit(name)) :].partition(b"/")[0]
        is_put = event.kind is EventKind.PUT
        if part == b"bucket" or (part == b"admitted" and is_put):
            return  # the chore's own doing, which gives nobody room
        self._lines.call([name])
        if part == b"rule" and is_put and (queue := queue_of(name)):
            self._queues.call([queue])

    async def _park(self) -> None:
        while True:
            for queue in await self._queues.next(1):
                await park_ready(self._term, queue)

    async def _admit(self) -> None:
        while True:
            names = await self._lines.next(LIMITS_AT_ONCE)
            await self._look_at(names)

    async def _look_at(self, names: list[str]) -> None:
        """Admit what may pass behind some limits, and note when to look again."""
        window = max(max(self._windows.get(name, 0) for name in names), JOBS_AT_ONCE // len(names))
        views = await self._read(names, window)
        jobs, orphans = await self._jobs(views)
        others = {limit for _, job in jobs.values() for limit in job.limits} - views.keys()
        all_views = views | await self._read(sorted(others), 1)
        decision = decide(
            (Candidate(job_id, job.limits) for job_id, (_, job) in jobs.items()),
            {name: view.line for name, view in all_views.items()},
        )
        rules = {name: view.rule_revision for name, view in all_views.items()}
        moves = [
            admit(self._term.places, job_id, *jobs[job_id], rules) for job_id in decision.admitted
        ]
        passed = [limit for job_id in decision.admitted for limit in jobs[job_id][1].limits]
        counts = Counter(passed)
        await make_moves(self._term, [*moves, *orphans], *self._buckets(all_views, counts))
        self._lines.call(dict.fromkeys(passed))
        self._look_further(views, counts)
        self._wait_for_tokens(all_views, decision.full)

    async def _read(self, names: list[str], window: int) -> dict[str, LimitView]:
        now_unix_ms = self._timer.now_unix_ms()
        return await read_limits(self._term.client, self._term.places, names, window, now_unix_ms)

    async def _jobs(
        self, views: dict[str, LimitView]
    ) -> tuple[dict[JobId, tuple[KeyValue, Job]], list[Move]]:
        """Return the parked jobs behind limits with room, and what drops entries of none."""
        entries = {
            job_id: entry
            for view in views.values()
            if view.room != 0
            for job_id, entry in view.waiting
        }
        places = self._term.places
        keys = [places.queue(job.queue).parked + job.item.encode() for job in entries]
        found = await read_keys(self._term.client, keys)
        jobs: dict[JobId, tuple[KeyValue, Job]] = {}
        orphans: list[Move] = []
        for (job_id, entry), key, kv in zip(entries.items(), keys, found, strict=True):
            job = decode_job(kv.value) if kv else None
            if kv is not None and job is not None:
                jobs[job_id] = (kv, job)
                continue
            if kv is not None:
                log.error("a job cannot be read and stays where it is", job=str(job_id), key=key)
            unchanged = ops.modified(key, "==", kv.mod_revision if kv else 0)
            same = ops.modified(entry.key, "==", entry.mod_revision)
            orphans.append(Move((unchanged, same), (ops.delete(entry.key),)))
        return jobs, orphans

    def _buckets(self, views: dict[str, LimitView], counts: dict[str, int]) -> list[TxnOp]:
        """Return what notes the tokens that are taken."""
        notes: list[TxnOp] = []
        for name, count in sorted(counts.items()):
            rule, bucket = views[name].rule, views[name].bucket
            if rule is not None and bucket is not None:
                places, left = self._term.places, encode_bucket(taken(rule, bucket, count))
                same = ops.modified(places.rule(name), "==", views[name].rule_revision)
                notes.append(ops.txn([same], [ops.put(places.bucket(name), left)]))
        return notes

    def _look_further(self, views: dict[str, LimitView], counts: dict[str, int]) -> None:
        """Look at more of a line that has room and whose first all wait for other limits."""
        for name, view in views.items():
            seen = len(view.waiting)
            if counts.get(name) or view.room == 0 or seen >= view.waiting_count:
                self._windows.pop(name, None)
            elif 1 < seen < WINDOW_MAX:
                self._windows[name] = 2 * seen
                self._lines.call([name])
            else:
                self._windows.pop(name, None)

    def _wait_for_tokens(self, views: dict[str, LimitView], full: set[str]) -> None:
        times = {}
        for name, view in views.items():
            rule, bucket = view.rule, view.bucket
            waited_for = view.waiting_count and (view.room == 0 or name in full)
            if (
                rule is not None
                and bucket is not None
                and waited_for
                and bucket.drops < rule.period_ms
            ):
                times[name] = next_token_unix_ms(rule, bucket)
        self._lines.call_at(times)
