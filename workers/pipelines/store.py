"""PipelineStore: everything a program does with pipelines from outside.

Starting is whole or not at all; cancelling, signalling and retrying are one transaction each, and
the steward does what follows from them. A change whose answer is lost raises MaybeDone: repeating
it does no harm, but for `start`, which starts a second one unless it was given a key.
"""

from collections.abc import AsyncIterator

from coord.client import ops
from coord.errors import ErrorCode, Refused
from coord.model import EventKind, KeyValue
from coord.requests import Put, RangeReply
from recipes.errors import Contended
from recipes.port import next_batch, only
from workers.gates.given import Given, encode_given
from workers.model.names import check_name
from workers.model.places import Places
from workers.pipelines import explaining, starting
from workers.pipelines import results as reading
from workers.pipelines.codec import decode_pipeline
from workers.pipelines.errors import PipelineEnded, PipelineRuns, UnknownPipeline
from workers.pipelines.explaining import PipelineExplanation
from workers.pipelines.forgetting import removal
from workers.pipelines.places import PipelinePlaces
from workers.pipelines.retrying import taken_up
from workers.pipelines.run import RUN_ENDED, Run, decode_run, encode_run
from workers.pipelines.spec import Pipeline
from workers.port import JobClient
from workers.result_leases import ResultLeases
from workers.store.site import TRIES_MAX, Site
from workers.timer import Timer, WallTimer

LIST_PIPELINES = 100


class PipelineStore:
    """The pipelines of one space, through one client."""

    def __init__(
        self, client: JobClient, places: Places | None = None, timer: Timer | None = None
    ) -> None:
        timer = timer or WallTimer()
        self.site = Site(client, places or Places(), timer, ResultLeases(client, timer))
        self.places = PipelinePlaces(self.site.places)

    async def start(self, pipeline: Pipeline, once: str = "") -> str:
        """Start a pipeline.

        Args:
            pipeline: what is to be done.
            once: a name under which at most one is started until that is forgotten: repeated, the
                first one's id is returned and nothing started.

        Returns:
            Its id.

        Raises:
            Misuse: it cannot run; names what is wrong. Nothing is left behind.
            MaybeDone: it may have been started; with `once`, ask again.
        """
        return await starting.start(self.site, pipeline, once)

    async def status(self, pipeline: str) -> Run:
        """Return how far a pipeline is, or how it ended.

        Raises:
            UnknownPipeline: there is none, or it has been forgotten.
        """
        live, ended = await self._look(pipeline)
        kv = live or ended
        run = None if kv is None else decode_run(kv.value)
        if run is None:
            raise UnknownPipeline(f"no pipeline {pipeline!r}")
        return run

    async def spec(self, pipeline: str) -> Pipeline:
        """Return what a pipeline is; jobs kept in pages are left out.

        Raises:
            UnknownPipeline: there is none, or it has been forgotten.
        """
        kv = only(await self.site.client.get(self.places.spec(_checked(pipeline))))
        if kv is None:
            raise UnknownPipeline(f"no pipeline {pipeline!r}")
        return decode_pipeline(kv.value)

    async def list(
        self, *, ended: bool = False, limit: int = LIST_PIPELINES, after: str = ""
    ) -> list[tuple[str, Run]]:
        """Return (id, how far) of pipelines, the oldest first.

        Args:
            ended: those that have ended, instead of those that live.
            limit: how many at most.
            after: the id to go on after.
        """
        prefix = self.places.ended if ended else self.places.live
        end = ops.prefix_end(prefix)
        start = prefix + after.encode() + (b"~" if after else b"")
        found: list[tuple[str, Run]] = []
        while len(found) < limit:
            reply = await self.site.client.get(start, range_end=end, limit=limit)
            for kv in reply.kvs:
                name = kv.key.removeprefix(prefix).decode(errors="replace")
                run = decode_run(kv.value) if "/" not in name else None
                if run is not None:
                    found.append((name, run))
            if not reply.more:
                break
            start = reply.kvs[-1].key + b"\0"
        return found[:limit]

    async def wait(self, pipeline: str) -> Run:
        """Wait until a pipeline has ended, by watch, and return how.

        Raises:
            UnknownPipeline: there is none, or it has been forgotten.
        """
        key = self.places.end(_checked(pipeline))
        while True:
            reply = await self.site.client.txn(
                success=[ops.get(self.places.run(pipeline)), ops.get(key)]
            )
            live, ended = map(_only, reply.replies)
            run = None if ended is None else decode_run(ended.value)
            if run is not None:
                return run
            if live is None:
                raise UnknownPipeline(f"no pipeline {pipeline!r}")
            try:
                return await self._ended_after(key, reply.revision)
            except Refused as error:
                if error.code is not ErrorCode.COMPACTED:
                    raise

    async def explain(self, pipeline: str) -> PipelineExplanation:
        """Say how far each stage is and what it waits for; see `job_explaining` for one job.

        Raises:
            UnknownPipeline: there is none, or it has been forgotten.
        """
        run = await self.status(pipeline)
        return await explaining.explain(self.site, pipeline, await self.spec(pipeline), run)

    async def cancel(self, pipeline: str, reason: str = "") -> None:
        """Ask for a pipeline's end: what waits is cancelled, what runs is asked to end.

        Raises:
            PipelineEnded: it has ended.
            UnknownPipeline: there is none, or it has been forgotten.
        """
        await self._tell(pipeline, ops.put(self.places.cancel(pipeline), reason or "cancelled"))

    async def signal(self, pipeline: str, name: str, message: str = "", by: str = "") -> None:
        """Give a signal to a pipeline's gates; it stays given.

        Args:
            pipeline: its id.
            name: of the signal.
            message: for whoever looks.
            by: who gives it.

        Raises:
            PipelineEnded: it has ended.
            UnknownPipeline: there is none, or it has been forgotten.
            Misuse: the name is none.
        """
        given = Given(self.site.timer.now_unix_ms(), by, message)
        key = self.places.signal(pipeline, check_name("signal", name))
        await self._tell(pipeline, ops.put(key, encode_given(given)))

    async def retry(self, pipeline: str, stage: str = "") -> None:
        """Take a pipeline up again that failed or was cancelled; what ended well stays done.

        Args:
            pipeline: its id.
            stage: from which stage on, for a done one too whose failures did not matter; "" for
                wherever something did not end well.

        Raises:
            PipelineRuns: it has not ended.
            NothingToRetry: all of it has ended well.
            Refused: a stage failed that is not asked for; names it.
            UnknownPipeline: there is none, or it has been forgotten.
            Misuse: there is no such stage.
        """
        spec = await self.spec(pipeline)
        for _ in range(TRIES_MAX):
            live, ended = await self._look(pipeline)
            if live is not None:
                raise PipelineRuns
            run = None if ended is None else decode_run(ended.value)
            if ended is None or run is None:
                raise UnknownPipeline(f"no pipeline {pipeline!r}")
            after = taken_up(spec, run, stage, self.site.timer.now_unix_ms())
            reply = await self.site.client.txn(
                [ops.modified(ended.key, "==", ended.mod_revision)],
                [
                    ops.delete(ended.key),
                    ops.delete(self.places.forget_at(run.ended_unix_ms + run.keep_ms, pipeline)),
                    ops.put(self.places.run(pipeline), encode_run(after)),
                ],
            )
            if reply.succeeded:
                return
        raise Contended

    async def remove(self, pipeline: str) -> None:
        """Forget a pipeline that has ended now, with all results kept of it.

        Raises:
            PipelineRuns: it has not ended; cancel it first.
            UnknownPipeline: there is none, or it has been forgotten.
        """
        run = await self.status(pipeline)
        if run.state not in RUN_ENDED:
            raise PipelineRuns
        entry = self.places.forget_at(run.ended_unix_ms + run.keep_ms, pipeline)
        reply = await self.site.client.txn(
            [ops.missing(self.places.run(pipeline))],
            [ops.delete(entry), *removal(self.places, pipeline, run.once)],
        )
        if not reply.succeeded:
            raise PipelineRuns

    def results(self, pipeline: str, stage: str) -> AsyncIterator[object]:
        """Iterate over the results of a stage's jobs that ended well; see `results`."""
        return reading.results(self.site.client, self.site.places, _checked(pipeline), stage)

    async def _tell(self, pipeline: str, step: Put) -> None:
        run_key = self.places.run(_checked(pipeline))
        reply = await self.site.client.txn(
            [ops.exists(run_key)], [step], [ops.get(self.places.end(pipeline))]
        )
        if not reply.succeeded:
            if _only(reply.replies[0]) is None:
                raise UnknownPipeline(f"no pipeline {pipeline!r}")
            raise PipelineEnded

    async def _look(self, pipeline: str) -> tuple[KeyValue | None, KeyValue | None]:
        reads = [ops.get(self.places.run(_checked(pipeline))), ops.get(self.places.end(pipeline))]
        reply = await self.site.client.txn(success=reads)
        live, ended = map(_only, reply.replies)
        return live, ended

    async def _ended_after(self, key: bytes, revision: int) -> Run:
        async with self.site.client.watch(key, start_revision=revision + 1) as watch:
            while True:
                for event in (await next_batch(watch)).events:
                    run = decode_run(event.kv.value) if event.kind is EventKind.PUT else None
                    if run is not None:
                        return run


def _only(answer: object) -> KeyValue | None:
    assert isinstance(answer, RangeReply), answer
    return only(answer)


def _checked(pipeline: str) -> str:
    return check_name("pipeline id", pipeline)
