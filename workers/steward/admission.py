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
from collections.abc import Sequence

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

LIMITS_AT_ONCE = 64  # looked at in one turn
WINDOW_MIN = 16  # jobs of one line looked at
WINDOW_MAX = 1024  # likewise, when those before them passed, or wait for other limits

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
                        self._see((await next_batch(watch)).events)
            except CoordError as error:
                if error.code is not ErrorCode.COMPACTED:
                    raise
            revision = (await self._term.client.get(self._term.places.limits)).revision
            await self._call_all()

    def _see(self, events: Sequence[Event]) -> None:
        """Call those limits whose line or room changed, but for what this chore did itself."""
        places, start = self._term.places, len(self._term.places.limits)
        parted = [(event, event.kv.key[start:].split(b"/", 2)) for event in events]
        admitted = {
            (event.kv.mod_revision, parts[0], parts[2])
            for event, parts in parted
            if event.kind is EventKind.PUT and parts[1:2] == [b"admitted"]
        }
        for event, parts in parted:
            is_put, part = event.kind is EventKind.PUT, parts[1]
            if part == b"bucket" or (part == b"admitted" and is_put):
                continue
            if part == b"waiting" and (event.kv.mod_revision, parts[0], parts[2]) in admitted:
                continue
            name = name_of(places, event.kv.key)
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
        views = await self._read({name: self._windows.get(name, WINDOW_MIN) for name in names})
        jobs, orphans = await self._jobs(views)
        others = {limit for _, job in jobs.values() for limit in job.limits} - views.keys()
        all_views = views | await self._read(dict.fromkeys(sorted(others), 1))
        admitted = decide(
            (Candidate(job_id, job.limits) for job_id, (_, job) in jobs.items()),
            {name: view.line for name, view in all_views.items()},
        )
        rules = {name: view.rule_revision for name, view in all_views.items()}
        moves = [admit(self._term.places, job_id, *jobs[job_id], rules) for job_id in admitted]
        passed = [limit for job_id in admitted for limit in jobs[job_id][1].limits]
        counts = Counter(passed)
        await make_moves(self._term, [*moves, *orphans], *self._notes(all_views, counts))
        self._look_further(views, counts)
        self._lines.call(other for other in sorted(others) if counts[other])
        self._wait_for_tokens(all_views, counts)

    async def _read(self, windows: dict[str, int]) -> dict[str, LimitView]:
        now_unix_ms = self._timer.now_unix_ms()
        return await read_limits(self._term.client, self._term.places, windows, now_unix_ms)

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

    def _notes(self, views: dict[str, LimitView], counts: Counter[str]) -> list[TxnOp]:
        """Return what notes the tokens that are taken, where the rule is still the same."""
        notes: list[TxnOp] = []
        for name in sorted(counts):
            view = views[name]
            if view.rule is not None and view.bucket is not None:
                places, left = self._term.places, taken(view.rule, view.bucket, counts[name])
                same = ops.modified(places.rule(name), "==", view.rule_revision)
                notes.append(ops.txn([same], [ops.put(places.bucket(name), encode_bucket(left))]))
        return notes

    def _look_further(self, views: dict[str, LimitView], counts: Counter[str]) -> None:
        """Look at more of each line that has room still and more in it than were looked at."""
        for name, view in views.items():
            seen, room = len(view.waiting), view.room
            window = self._windows.pop(name, WINDOW_MIN)
            if seen >= view.waiting_count or (room is not None and room <= counts[name]):
                continue
            if window < WINDOW_MAX:
                self._windows[name] = min(4 * window, WINDOW_MAX)
                self._lines.call([name])
            elif counts[name]:
                self._windows[name] = window
                self._lines.call([name])

    def _wait_for_tokens(self, views: dict[str, LimitView], counts: Counter[str]) -> None:
        """Look again when the rates of lines somebody waits in have something to give."""
        times = {}
        for name, view in views.items():
            if view.rule is None or view.bucket is None or view.waiting_count <= counts[name]:
                continue
            left = taken(view.rule, view.bucket, counts[name])
            if left.drops < view.rule.period_ms:
                times[name] = next_token_unix_ms(view.rule, left)
        self._lines.call_at(times)
