"""A worker that is cancelled ends, whatever else goes wrong at that moment."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from coord.errors import ErrorCode, Unavailable
from coord.testing.local import LocalClient, LocalCluster, LocalSession, in_loop, settle
from workers.app.app import App
from workers.running.crew_settings import CrewSettings
from workers.running.settings import WorkerSettings
from workers.running.worker import Worker
from workers.testing.hand_timer import HandTimer
from workers.testing.inline_crew import InlineCrew
from workers.testing.kit_functions import KitFunctions


class _Parted(LocalClient):
    """Cannot reach the cluster when a session is to end."""

    @asynccontextmanager
    async def session(self, ttl_ms: int = 10_000) -> AsyncIterator[LocalSession]:  # type: ignore[override]
        async with super().session(ttl_ms) as session:
            try:
                yield session
            finally:
                raise Unavailable("nobody answers", ErrorCode.NO_LEADER)


@in_loop
async def test_a_worker_cancelled_while_the_cluster_is_away_does_not_start_over() -> None:
    crew, timer = CrewSettings("inline:app"), HandTimer()
    hands = InlineCrew(crew, timer, KitFunctions(App(), timer), None)
    worker = Worker(_Parted(LocalCluster()), WorkerSettings("w", crew), timer, crew=hands)
    running = asyncio.create_task(worker.run())
    await settle()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(5.0):
            await running
    assert running.cancelled()
