"""How far a group of jobs is, or a whole pipeline: one roll-up over all its jobs, followed live.

A job that has ended counts whole, one that runs by what it reports of itself, one that waits not.
Nothing is written for it: the groups' keys and the jobs' own reports say all.
"""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

import msgspec

from coord.model import Event
from recipes.decoding import UNREADABLE
from recipes.live import Live
from recipes.port import KeyStore
from recipes.progress import Progress
from workers.model.places import Places
from workers.pipelines.places import PipelinePlaces
from workers.pipelines.run import RUN_ENDED, Run, StageState, decode_run
from workers.pipelines.tally import Tallies, Tally


class Rollup(msgspec.Struct, frozen=True):
    """How far some jobs are.

    Attributes:
        total: jobs known so far.
        done: those that ended well.
        failed: those that did not.
        reporting: those that run and say how far they are.
        share: how much of all is done, 0 to 1, parts of running jobs included.
        more: whether more jobs may come that are not known yet.
    """

    total: int = 0
    done: int = 0
    failed: int = 0
    reporting: int = 0
    share: float = 0.0
    more: bool = False

    def __str__(self) -> str:
        plus = "+" if self.more else ""
        failed = f", {self.failed} failed" if self.failed else ""
        return f"{self.done} of {self.total}{plus} done{failed}, {round(100 * self.share)} %"


def roll_up(
    tallies: Iterable[tuple[Tally, int]], reports: Callable[[str], Progress | None], more: bool
) -> Rollup:
    """Return the roll-up of some tallies.

    Args:
        tallies: each with how many jobs it will have at least.
        reports: what a running job says of itself.
        more: see Rollup.
    """
    total = done = failed = reporting = 0
    parts = 0.0
    for tally, listed in tallies:
        total += max(tally.total, listed)
        done += tally.done
        failed += len(tally.failed)
        for job in tally.open:
            report = reports(job)
            if report is not None:
                reporting += 1
                parts += min(1.0, report.done / report.total) if report.total > 0 else 0.0
    share = (done + failed + parts) / total if total else 0.0
    return Rollup(total, done, failed, reporting, share, more)


class _Followed:
    """Groups under a prefix and all reports, each mirrored; `change` waits for any of them."""

    def __init__(self, client: KeyStore, places: Places, groups: bytes, prefix: bytes) -> None:
        self._progress = places.progress
        self._reports = Live(client, places.progress, self._take)
        self._groups = Live(client, groups, self._count)
        self._tallies = Tallies(prefix)
        self._news = asyncio.Event()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._enter()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def change(self) -> None:
        """Wait until something has changed since this was called last."""
        await self._news.wait()
        self._news.clear()

    async def _enter(self) -> None:
        for live in (self._reports, self._groups):
            await self._stack.enter_async_context(live)
        for kv in self._groups.keys.values():
            self._tallies.put(kv)

    def _count(self, events: tuple[Event, ...]) -> None:
        for event in events:
            self._tallies.take(event)
        self._news.set()

    def _take(self, events: tuple[Event, ...]) -> None:
        self._news.set()

    def _report(self, job: str) -> Progress | None:
        kv = self._reports.keys.get(self._progress + job.encode())
        if kv is None:
            return None
        try:
            return msgspec.json.decode(kv.value, type=Progress)
        except UNREADABLE:
            return None


class GroupProgress(_Followed):
    """One group, followed. Use as `async with GroupProgress(client, places, group) as group`."""

    def __init__(self, client: KeyStore, places: Places, group: str) -> None:
        own = places.groups + group.encode() + b"/"
        super().__init__(client, places, own, places.groups)
        self._group = group

    @property
    def rollup(self) -> Rollup:
        """How far it is now."""
        tally = self._tallies.of(self._group)
        return roll_up([(tally, 0)], self._report, more=bool(tally.open))


class PipelineProgress(_Followed):
    """One pipeline, followed. Use as `async with PipelineProgress(client, places, id) as all`."""

    def __init__(self, client: KeyStore, places: Places, pipeline: str) -> None:
        own = PipelinePlaces(places)
        groups = own.groups(pipeline)
        super().__init__(client, places, groups, groups)
        self._keys = (own.run(pipeline), own.end(pipeline))
        self._runs = tuple(Live(client, key, self._take, prefix=False) for key in self._keys)

    @property
    def run(self) -> Run | None:
        """How far it is by its own record; None where there is none."""
        for key, live in zip(self._keys, self._runs, strict=True):
            kv = live.keys.get(key)
            if kv is not None:
                return decode_run(kv.value)
        return None

    @property
    def stages(self) -> dict[str, Rollup]:
        """How far each stage is now."""
        run = self.run
        if run is None:
            return {}
        return {
            name: roll_up(
                [(self._tallies.of(name), stage.listed)],
                self._report,
                more=stage.state in (StageState.WAITING, StageState.OPEN) and not stage.listed,
            )
            for name, stage in run.stages.items()
        }

    @property
    def rollup(self) -> Rollup:
        """How far all of it is now."""
        run = self.run
        if run is None:
            return Rollup()
        listed = [(self._tallies.of(name), stage.listed) for name, stage in run.stages.items()]
        more = run.state not in RUN_ENDED and any(
            stage.state is StageState.WAITING and not stage.listed for stage in run.stages.values()
        )
        return roll_up(listed, self._report, more)

    async def _enter(self) -> None:
        for live in self._runs:
            await self._stack.enter_async_context(live)
        await super()._enter()
