"""Runs a campaign: a cluster of processes, writers, watchers, and somebody who kills the leader."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable

import attrs

from coord import aio
from coord.errors import MaybeDone, NotDone
from coord.testing.chaos.records import (
    Found,
    WatcherRecord,
    WriterRecord,
    resume_gaps_ms,
    violations,
)
from coord.testing.local_cluster import LocalProcesses

_PREFIX = b"chaos/"
_VALUE = b"x" * 256
_PAGE_KEYS = 20_000
_SETTLE_S = 30.0  # for the watchers to see the last write
_REQUEST_TIMEOUT_MS = 10_000.0


@attrs.frozen
class Plan:
    """What a campaign does."""

    seconds: float = 60.0
    writers: int = 8
    watchers: int = 4
    kill_every_s: float = 5.0
    pause_instead: bool = False
    """Stop the leader (SIGSTOP) for two seconds instead of killing it."""


@attrs.frozen
class Report:
    """What came of it."""

    acknowledged: int
    unknown: int
    undone: int
    revisions: int
    events_seen: int
    gaps_ms: tuple[float, ...]
    violations: tuple[str, ...]


class Campaign:
    """One run against a running cluster (started with --restart)."""

    def __init__(
        self, plan: Plan, cluster: LocalProcesses, progress: Callable[[str], None]
    ) -> None:
        self._plan = plan
        self._cluster = cluster
        self._progress = progress
        self._writers = [WriterRecord() for _ in range(plan.writers)]
        self._watchers = [WatcherRecord() for _ in range(plan.watchers)]
        self._kills_s: list[float] = []
        self._over = False

    async def run(self) -> Report:
        """Write, watch and kill for the planned time, then compare everything."""
        endpoints = self._cluster.endpoints
        watching = [asyncio.create_task(self._watch(record)) for record in self._watchers]
        writing = [
            asyncio.create_task(self._write(number, record))
            for number, record in enumerate(self._writers)
        ]
        await self._kill_now_and_then()
        self._over = True
        await asyncio.gather(*writing)
        async with aio.connect(endpoints, timeout_ms=_REQUEST_TIMEOUT_MS) as client:
            store = await _read_all(client)
        await self._let_watchers_finish(watching, len(store))
        return self._report(store)

    async def _write(self, number: int, record: WriterRecord) -> None:
        count = 0
        async with aio.connect(self._cluster.endpoints, timeout_ms=_REQUEST_TIMEOUT_MS) as client:
            while not self._over:
                key = _PREFIX + b"%02d/%08d" % (number, count)
                count += 1
                try:
                    reply = await client.put(key, _VALUE)
                except MaybeDone:
                    record.unknown.append(key)
                except NotDone:
                    record.undone.append(key)
                else:
                    record.acknowledged[key] = reply.revision
                    record.answered_s.append(time.monotonic())

    async def _watch(self, record: WatcherRecord) -> None:
        async with (
            aio.connect(self._cluster.endpoints) as client,
            client.watch(_PREFIX, prefix=True, start_revision=1) as watch,
        ):
            async for batch in watch:
                record.seen.extend((event.kv.mod_revision, event.kv.key) for event in batch.events)

    async def _kill_now_and_then(self) -> None:
        plan = self._plan
        began_s = time.monotonic()
        next_s = began_s + plan.kill_every_s
        while next_s < began_s + plan.seconds:
            await asyncio.sleep(max(0.0, next_s - time.monotonic()))
            await self._hit_leader()
            next_s += plan.kill_every_s
        await asyncio.sleep(max(0.0, began_s + plan.seconds - time.monotonic()))

    async def _hit_leader(self) -> None:
        name, pid = await self._find_leader()
        self._kills_s.append(time.monotonic())
        if self._plan.pause_instead:
            os.kill(pid, signal.SIGSTOP)
            await asyncio.sleep(2.0)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        else:
            os.kill(pid, signal.SIGKILL)
        written = sum(len(writer.acknowledged) for writer in self._writers)
        self._progress(f"{name} hit; {written} writes acknowledged so far")

    async def _find_leader(self) -> tuple[str, int]:
        """Ask the cluster itself: the ready file may lag behind an election."""
        async with aio.connect(self._cluster.endpoints) as client:
            while True:
                await client.get(_PREFIX, count_only=True)  # answered where a leader serves
                status = await client.status()
                names = {member.node: member.name for member in status.members}
                name = names.get(status.leader, "")
                pid = self._cluster.pid(name) if name else None
                if pid is not None:
                    return name, pid
                await asyncio.sleep(0.05)

    async def _let_watchers_finish(self, watching: list[asyncio.Task[None]], events: int) -> None:
        until_s = time.monotonic() + _SETTLE_S
        while time.monotonic() < until_s:
            if all(len(record.seen) >= events for record in self._watchers):
                break
            await asyncio.sleep(0.05)
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)

    def _report(self, store: dict[bytes, Found]) -> Report:
        return Report(
            acknowledged=sum(len(writer.acknowledged) for writer in self._writers),
            unknown=sum(len(writer.unknown) for writer in self._writers),
            undone=sum(len(writer.undone) for writer in self._writers),
            revisions=len(store),
            events_seen=sum(len(watcher.seen) for watcher in self._watchers),
            gaps_ms=tuple(resume_gaps_ms(self._kills_s, self._writers)),
            violations=tuple(violations(self._writers, self._watchers, store)),
        )


async def _read_all(client: aio.Client) -> dict[bytes, Found]:
    """Read every key of the campaign, page by page at one revision."""
    found: dict[bytes, Found] = {}
    start, revision = _PREFIX, 0
    end = _PREFIX[:-1] + bytes((_PREFIX[-1] + 1,))
    while True:
        page = await client.get(
            start, range_end=end, limit=_PAGE_KEYS, revision=revision, keys_only=True
        )
        revision = revision or page.revision
        for kv in page.kvs:
            found[kv.key] = Found(kv.create_revision, kv.version)
        if not page.more:
            return found
        start = page.kvs[-1].key + b"\0"
