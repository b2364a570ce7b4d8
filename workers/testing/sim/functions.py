"""The one job function of simulated runs: ends well or badly, slowly, never, or with more jobs."""

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, Self

import attrs

from recipes.testing.actor import Actor
from recipes.testing.journal import Delivery
from workers.app.control import Retry, Snooze
from workers.model.job import Job
from workers.running.context import JobContext
from workers.testing.sim.play import FUNCTION, QUEUES, Play

NAMES = ("f", FUNCTION)
CHILD = ">"  # a job of this in its body was enqueued by another
_LONG_S = 0.4


@attrs.frozen
class SimFunctions:
    """See `workers.running.functions`: the functions, and the only one of them."""

    actor: Actor
    play: Play
    run_in: str = "loop"

    @property
    def names(self) -> tuple[str, ...]:
        """Every name, sorted."""
        return NAMES

    def find(self, name: str) -> Self | None:
        """Return the function of a name, if there is one."""
        return self if name in NAMES else None

    def call(
        self, context: JobContext, args: Mapping[str, object]
    ) -> Coroutine[Any, Any, list[int]]:
        """Return the coroutine that does the job."""
        return self._work(context, str(args.get("body", "")))

    async def _work(self, context: JobContext, body: str) -> list[int]:
        luck, actor = self.actor.luck, self.actor
        actor.journal.deliveries.append(
            Delivery(self.play.space, context.id, b"", body.encode(), 0, context.attempt, 0)
        )
        way = luck.random()
        await actor.think(0.5)
        if way < 0.1:
            raise ValueError("on purpose")
        if way < 0.13:
            raise Retry(after_ms=luck.randrange(80))
        if way < 0.17:
            raise Snooze(after_ms=luck.randrange(80))
        if way < 0.27:
            await asyncio.sleep(_LONG_S)
        elif way < 0.30:
            await self._be_stubborn()
        elif way < 0.40 and body and CHILD not in body:
            self._enqueue_child(context, body)
        return [1] * luck.randrange(3)

    async def _be_stubborn(self) -> None:
        try:
            await asyncio.sleep(_LONG_S)
        except asyncio.CancelledError:
            self.actor.count("jobs that would not be cancelled")
            await asyncio.sleep(_LONG_S)

    def _enqueue_child(self, context: JobContext, body: str) -> None:
        queue = self.actor.luck.choice(QUEUES)
        child = Job(FUNCTION, {"body": body + CHILD}, result_ttl_ms=300)
        context.enqueue_when_done(queue, 4, child)
