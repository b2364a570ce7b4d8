"""A worker at work for the length of a block, against any client; its children are real."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from workers.port import JobClient
from workers.running.crew_settings import CrewSettings
from workers.running.notice import Urgency
from workers.running.settings import WorkerSettings
from workers.running.worker import Worker


@asynccontextmanager
async def working(
    client: JobClient,
    app: str,
    *,
    name: str = "w",
    slots: int = 1,
    urgency: Urgency = Urgency.NOW,
    crew: dict[str, Any] | None = None,
    **settings: Any,
) -> AsyncIterator[Worker]:
    """Run a worker of the application at `app`; on leaving it is told to end, as `urgency` says.

    Whatever it raises is raised.
    """
    crew_settings = CrewSettings(app, slots, **(crew or {}))
    worker = Worker(client, WorkerSettings(name, crew_settings, **settings))
    task = asyncio.create_task(worker.run(), name=f"worker {name}")
    try:
        yield worker
    finally:
        worker.notice.give(urgency)
        await task
