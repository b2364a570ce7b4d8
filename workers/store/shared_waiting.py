"""Waiting for many jobs of one queue at once: one watch and a few large reads serve them all.

A watch for each would cost the cluster more than the jobs do. What is followed is the queue's
endings, those of others' jobs too; whoever waits for one job alone better follows that one.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from coord.client import ops
from coord.errors import CoordError, ErrorCode, Refused
from coord.model import EventKind
from coord.requests import TxnOp
from recipes.port import Following, next_batch, only
from workers.errors import NotKept, UnknownJob
from workers.model.ending import Ending, decode_ending
from workers.model.ids import JobId
from workers.model.job import decode_job
from workers.store.finding import range_replies
from workers.store.site import Site

LOOK_JOBS = 128  # looked for in one read


class SharedWaits:
    """The waits for jobs of one queue, from one event loop."""

    def __init__(self, site: Site, queue: str) -> None:
        self._site = site
        self._queue = queue
        self._at = site.places.queue(queue)
        self._expected: dict[bytes, asyncio.Future[Ending]] = {}
        self._waiters: Counter[bytes] = Counter()
        self._unseen: set[bytes] = set()
        self._news = asyncio.Event()
        self._serving: asyncio.Task[None] | None = None
        self._count = 0

    @contextmanager
    def counted(self) -> Iterator[int]:
        """Count one more who waits, by whatever way; yields how many there are now."""
        self._count += 1
        try:
            yield self._count
        finally:
            self._count -= 1

    async def ending(self, job_id: JobId) -> Ending:
        """Return how a job ended, once it has; see `JobStore.wait`."""
        item = job_id.item.encode()
        expected = self._expect(item)
        self._waiters[item] += 1
        try:
            # Shielded: others may wait for the same job.
            return await asyncio.shield(expected)
        finally:
            self._waiters[item] -= 1
            if not self._waiters[item]:
                del self._waiters[item]
                if self._expected.get(item) is expected:
                    del self._expected[item]
            if not self._expected and self._serving is not None:
                self._serving.cancel()
                self._serving = None

    def _expect(self, item: bytes) -> asyncio.Future[Ending]:
        if item not in self._expected:
            self._expected[item] = asyncio.get_running_loop().create_future()
            self._unseen.add(item)
            self._news.set()
        if self._serving is None:
            name = f"endings of {self._queue}"
            self._serving = asyncio.create_task(self._serve(), name=name)
        return self._expected[item]

    async def _serve(self) -> None:
        try:
            while True:
                await self._serve_one_watch()
        except CoordError as error:
            self._fail_all(error)
        except Exception as error:
            self._fail_all(error)
            raise

    async def _serve_one_watch(self) -> None:
        """Return when compaction has overtaken the watch; the next one looks for all anew."""
        async with self._site.client.watch(self._at.done, prefix=True, no_delete=True) as watch:
            # What ends from now on is seen by the watch; what ended before, by looking.
            self._unseen.update(self._expected)
            self._news.set()
            tasks = [
                asyncio.create_task(self._follow(watch), name=f"follow endings of {self._queue}"),
                asyncio.create_task(self._look_for_ever(), name="look for endings"),
            ]
            try:
                ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in ended:
                    task.result()
            except Refused as error:
                if error.code is not ErrorCode.COMPACTED:
                    raise
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self, watch: Following) -> None:
        while True:
            for event in (await next_batch(watch)).events:
                item = event.kv.key.removeprefix(self._at.done)
                if event.kind is EventKind.PUT and item in self._expected:
                    self._take(item, event.kv.value)

    async def _look_for_ever(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            while wanted := sorted(self._unseen & self._expected.keys())[:LOOK_JOBS]:
                self._unseen.difference_update(wanted)
                await self._look_or_fail(wanted)
            self._unseen.clear()

    async def _look_or_fail(self, items: list[bytes]) -> None:
        try:
            await self._look(items)
        except CoordError as error:
            if error.code is ErrorCode.REPLY_TOO_LARGE and len(items) > 1:
                half = len(items) // 2
                await self._look_or_fail(items[:half])
                await self._look_or_fail(items[half:])
                return
            for item in items:
                self._fail(item, error)

    async def _look(self, items: list[bytes]) -> None:
        """Take the endings that are there; fail whom nobody knows, or whose ending is not kept."""
        at = self._at
        reads: list[TxnOp] = [ops.get(at.held, prefix=True, keys_only=True)]
        for place in (at.done, at.ready, at.later, at.parked):
            reads += [ops.get(place + item) for item in items]
        held, *found = range_replies(await self._site.client.txn(success=reads))
        holders = {kv.key.rpartition(b"/")[2]: kv.key for kv in held.kvs}
        running: list[bytes] = []
        for number, item in enumerate(items):
            done, *waiting = (only(answer) for answer in found[number :: len(items)])
            standing = next((kv for kv in waiting if kv), None)
            if done is not None:
                self._take(item, done.value)
            elif standing is not None:
                self._refuse_unkept(item, standing.value)
            elif item in holders:
                running.append(item)
            else:
                self._fail(item, UnknownJob(self._id(item)))
        if running:
            reads = [ops.get(holders[item]) for item in running]
            answers = range_replies(await self._site.client.txn(success=reads))
            for item, answer in zip(running, answers, strict=True):
                if kv := only(answer):
                    self._refuse_unkept(item, kv.value)
                elif item in self._expected:
                    # It moved on meanwhile, maybe to an end that is not kept.
                    self._unseen.add(item)
                    self._news.set()

    def _refuse_unkept(self, item: bytes, value: bytes) -> None:
        job = decode_job(value)
        if job is not None and not job.result_ttl_ms:
            self._fail(item, NotKept.of(self._id(item)))

    def _take(self, item: bytes, value: bytes) -> None:
        ending = decode_ending(value)
        if ending is None:
            detail = f"the ending of job {self._id(item)} is unreadable"
            self._fail(item, Refused(detail, ErrorCode.MALFORMED))
        elif expected := self._expected.pop(item, None):
            expected.set_result(ending)

    def _fail_all(self, error: Exception) -> None:
        if self._serving is asyncio.current_task():
            self._serving = None
            for item in list(self._expected):
                self._fail(item, error)

    def _fail(self, item: bytes, error: Exception) -> None:
        if expected := self._expected.pop(item, None):
            expected.set_exception(error)

    def _id(self, item: bytes) -> JobId:
        return JobId(self._queue, item.decode())
