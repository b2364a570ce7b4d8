"""Where a stage's jobs come from: pages of calls, in an order that never changes once it is open.

    a0000           the jobs in the spec itself
    a0001 ...       pages of listed jobs that are too many for the spec
    c               the one job that collects
    eJOB            what one result of an earlier stage makes
    s...            jobs that jobs of earlier stages added

So a cursor (pages done, and items of the next) says exactly what is enqueued already.
"""

from collections.abc import AsyncIterator

from attrs import frozen

from coord.errors import ErrorCode, error_from
from recipes.port import KeyStore
from workers.model.states import State
from workers.pipelines.codec import Calls, decode_calls
from workers.pipelines.places import INLINE_PAGE, PipelinePlaces
from workers.pipelines.results import endings, result_of, results
from workers.pipelines.spec import Call, Collect, ForEach, Stage

COLLECTED_MAX = 100_000  # results handed to one job as an argument; it reads more by itself
PAGES_AT_ONCE = 4


@frozen
class StagePages:
    """The pages of one stage of one pipeline."""

    client: KeyStore
    places: PipelinePlaces
    pipeline: str
    stage: Stage
    is_fed: bool

    async def after(self, page: str) -> AsyncIterator[tuple[str, Calls]]:
        """Yield (name, calls) of each page after `page`.

        Raises:
            Misuse: what is kept is no page, or results do not fit into an argument.
        """
        if self.stage.jobs:
            if page < INLINE_PAGE:
                yield INLINE_PAGE, self._told(self.stage.jobs)
        elif self.stage.for_each is not None:
            async for found in self._each(self.stage.for_each, page):
                yield found
        elif self.stage.collect is not None:
            if page < "c":
                yield "c", self._told((await self._collect(self.stage.collect),))
        else:
            async for name, calls in self._kept(page, "a", "b"):
                yield name, self._told(calls)
        if self.is_fed:
            async for found in self._kept(page, "s", "t"):
                yield found

    async def _kept(self, page: str, low: str, high: str) -> AsyncIterator[tuple[str, Calls]]:
        prefix = self.places.pages(self.pipeline, self.stage.name)
        start = prefix + (page.encode() + b"\0" if page >= low else low.encode())
        while True:
            reply = await self.client.get(
                start, range_end=prefix + high.encode(), limit=PAGES_AT_ONCE
            )
            for kv in reply.kvs:
                yield kv.key.removeprefix(prefix).decode(), decode_calls(kv.value)
            if not reply.more:
                return
            start = reply.kvs[-1].key + b"\0"

    async def _each(self, each: ForEach, page: str) -> AsyncIterator[tuple[str, Calls]]:
        after = page.removeprefix("e") if page.startswith("e") else ""
        if page >= "s":
            return
        space = self.places.space
        async for job, ending in endings(self.client, space, self.pipeline, each.stage, after):
            if ending.state is not State.DONE:
                continue
            found = result_of(ending)
            if found is None:
                continue
            parts = found if isinstance(found, list) and not each.whole else [found]
            yield f"e{job}", self._told(tuple(each.call.with_arg(each.arg, p) for p in parts))

    async def _collect(self, collect: Collect) -> Call:
        if not collect.arg:
            return collect.call
        found: list[object] = []
        for stage in collect.stages:
            async for result in results(self.client, self.places.space, self.pipeline, stage):
                found.append(result)
                if len(found) > COLLECTED_MAX:
                    detail = f"more than {COLLECTED_MAX} results; let the job read them itself"
                    raise error_from(ErrorCode.VALUE_TOO_LARGE, detail)
        return collect.call.with_arg(collect.arg, found)

    def _told(self, calls: Calls) -> Calls:
        if not self.stage.id_arg:
            return calls
        return tuple(call.with_arg(self.stage.id_arg, self.pipeline) for call in calls)
