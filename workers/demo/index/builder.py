"""The elected builder: lays out the work, waits until it is done, merges, publishes.

Every write is guarded by the office, so a builder that was replaced without knowing writes
nothing; every step first looks whether a predecessor did it already.
"""

import asyncio
from pathlib import Path

import msgspec
import structlog
from attrs import frozen

from coord import ops
from coord.errors import MaybeDone, Unavailable
from coord.requests import TxnOp
from recipes.election import Election, Leadership
from recipes.errors import NotLeader, SessionLost
from recipes.gate import SizeGate
from recipes.mirror import read_all
from recipes.port import KeptLease, KeyStore, only
from recipes.progress import Reporter
from recipes.queue import Done, Queue
from recipes.waiting import while_kept
from workers.demo.index import keys
from workers.demo.index.corpus import in_batches, source_files
from workers.jobs import Failed, Job
from workers.slot import Slot
from workers.wire import Report, Run

log = structlog.get_logger("builder")

BATCH_BYTES = 256 * 1024
BATCHES_MAX = 1000  # all jobs are put in one transaction
APP = "workers.demo.index.jobs:registry"
PAUSE_S = 0.2


@frozen
class BuildSettings:
    """Who builds what, and where to."""

    name: str
    corpus: Path
    directory: Path


async def build_when_elected(client: KeyStore, session: KeptLease, settings: BuildSettings) -> None:
    """Stand for builder; once elected, see to it that the index is published.

    Raises:
        SessionLost: the session ended on the way; campaign again under a new one.
    """
    leadership = await Election(client, keys.OFFICE).campaign(session, settings.name)
    log.info("elected", worker=settings.name, token=leadership.token)
    builder = _Builder(client, session, settings, leadership)
    while True:
        try:
            await while_kept(session, builder.build())
            return
        except (Unavailable, MaybeDone) as error:
            # Every step looks before it acts, so starting over is always right.
            log.warning("interrupted, looking again", worker=settings.name, error=str(error))
            await asyncio.sleep(PAUSE_S)
        except NotLeader as error:
            raise SessionLost from error


class _Builder:
    """One term of office."""

    def __init__(
        self,
        client: KeyStore,
        session: KeptLease,
        settings: BuildSettings,
        leadership: Leadership,
    ) -> None:
        self._client = client
        self._session = session
        self._settings = settings
        self._leadership = leadership
        self._queue = Queue(client, keys.QUEUE)

    async def build(self) -> None:
        plan = await self._plan()
        gate = SizeGate(self._client, keys.GATE, self._queue.done, plan.batches)
        await gate.declare()
        await gate.wait()
        if only(await self._client.get(keys.PUBLISHED)) is None:
            await self._publish(await self._merge())

    async def _plan(self) -> keys.Plan:
        """Return the plan; if there is none, write it together with its jobs."""
        found = only(await self._client.get(keys.PLAN))
        if found is not None:
            return msgspec.json.decode(found.value, type=keys.Plan)
        plan, jobs = await asyncio.to_thread(self._lay_out)
        steps: list[TxnOp] = [ops.put(keys.PLAN, msgspec.json.encode(plan))]
        steps += [self._queue.putting(job.encode()) for job in jobs]
        await self._guarded(keys.PLAN, steps)
        return plan

    def _lay_out(self) -> tuple[keys.Plan, list[Job]]:
        settings = self._settings
        files = source_files(settings.corpus)
        batch_bytes = BATCH_BYTES
        while len(batches := in_batches(settings.corpus, files, batch_bytes)) > BATCHES_MAX:
            batch_bytes *= 2
        common = {"corpus": str(settings.corpus), "directory": str(settings.directory)}
        jobs = [
            Job("parse", {"batch": number, "files": batch, **common})
            for number, batch in enumerate(batches)
        ]
        return keys.Plan(str(settings.corpus), len(files), len(batches), settings.name), jobs

    async def _merge(self) -> keys.Published:
        """Merge all partials in a child process, in the order of their batches."""
        partials = await self._partials()
        settings = self._settings
        args = {
            "partials": [msgspec.to_builtins(partial) for partial in partials],
            "directory": str(settings.directory),
            "generation": self._leadership.token,
            "by": settings.name,
        }
        slot = Slot(APP)
        try:
            async with Reporter(
                self._client, self._session, keys.PROGRESS, by=settings.name
            ) as reporter:

                def on_report(report: Report) -> None:
                    reporter.report("merge", report.done, report.total, report.message)

                outcome = await slot.run(Run("merge", "merge", 1, args), on_report)
                reporter.clear("merge")
        finally:
            await slot.stop()
        if isinstance(outcome, Failed):
            raise RuntimeError(f"merge failed: {outcome.cause}")
        return msgspec.json.decode(outcome.result, type=keys.Published)

    async def _partials(self) -> list[keys.Partial]:
        done, _ = await read_all(self._client, self._queue.done, prefix=True)
        records = [msgspec.json.decode(kv.value, type=Done) for kv in done.values()]
        partials = [msgspec.json.decode(record.result, type=keys.Partial) for record in records]
        return sorted(partials, key=lambda partial: partial.batch)

    async def _publish(self, published: keys.Published) -> None:
        value = msgspec.json.encode(published)
        await self._guarded(keys.PUBLISHED, [ops.put(keys.PUBLISHED, value)])
        log.info("published", worker=self._settings.name, generation=published.generation)

    async def _guarded(self, key: bytes, steps: list[TxnOp]) -> None:
        """Do `steps`, which make `key`, if this office stands and nobody made it before.

        Raises:
            NotLeader: one of the two does not hold; nothing was written.
        """
        reply = await self._client.txn(
            compare=[self._leadership.guard(), ops.missing(key)], success=steps
        )
        if not reply.succeeded and only(await self._client.get(key)) is None:
            raise NotLeader
