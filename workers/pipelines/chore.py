"""The steward's chore of pipelines: each is moved on as soon as something it waits for has come.

What has come is told by two watches and one clock; see `view` and `stepping`. Nothing is kept
that could not be read again, so whoever is the steward goes on where the last one stopped.
"""

import asyncio
from typing import Any

import structlog

from coord.errors import CoordError
from recipes.mirror import Mirror
from workers.pipelines.forgetting import forget_for_ever
from workers.pipelines.places import PipelinePlaces
from workers.pipelines.stepping import Stepper
from workers.pipelines.view import View
from workers.result_leases import ResultLeases
from workers.steward.chore import Term
from workers.steward.together import together
from workers.store.site import Site
from workers.timer import Timer

STEPS_AT_ONCE = 32

log = structlog.get_logger("pipelines")


class PipelineChore:
    """See the module."""

    name = "pipelines"

    def __init__(self, timer: Timer) -> None:
        self._timer = timer

    async def run(self, term: Term) -> None:
        """Move pipelines on until cancelled."""
        site = Site(term.client, term.places, self._timer, ResultLeases(term.client, self._timer))
        places = PipelinePlaces(term.places)
        async with Mirror(term.client, places.live) as runs:
            view = View(term.client, places, runs)
            await together(
                view.follow_runs(),
                view.follow_groups(runs.revision),
                self._work(Stepper(term, site, view), view),
                forget_for_ever(term, self._timer),
            )

    async def _work(self, stepper: Stepper, view: View) -> None:
        while True:
            now_unix_ms = self._timer.now_unix_ms()
            come = [name for name, unix_ms in stepper.looks.items() if unix_ms <= now_unix_ms]
            for name in come:
                stepper.ask_again(name)
            ready = sorted({*come, *view.take_changed()})
            if ready:
                await self._step_all(stepper, ready)
            else:
                await self._sleep(view.news, min(stepper.looks.values(), default=None))

    async def _step_all(self, stepper: Stepper, pipelines: list[str]) -> None:
        slots = asyncio.Semaphore(STEPS_AT_ONCE)

        async def step(pipeline: str) -> None:
            async with slots:
                try:
                    await stepper.step(pipeline)
                except CoordError:
                    raise
                except Exception:
                    # One that trips us must not hold up the others; its next news tries again.
                    log.exception("a step failed", pipeline=pipeline)

        answers = await asyncio.gather(*map(step, pipelines), return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer

    async def _sleep(self, news: asyncio.Event, until_unix_ms: int | None) -> None:
        waits: list[asyncio.Future[Any]] = [asyncio.ensure_future(news.wait())]
        if until_unix_ms is not None:
            waits.append(asyncio.ensure_future(self._timer.until(until_unix_ms)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
