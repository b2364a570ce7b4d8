"""Waiting for what becomes of jobs, with a deadline, in tests."""

import asyncio

import msgspec

from recipes.progress import Board
from workers.model.ending import Ending
from workers.model.job import Job
from workers.store.jobs import JobStore

DEADLINE_S = 30.0


async def ended(store: JobStore, job: Job, queue: str = "default") -> Ending:
    """Enqueue a job and wait for its ending."""
    job_id = await store.enqueue(queue, job)
    async with asyncio.timeout(DEADLINE_S):
        return await store.wait(job_id)


async def shows(store: JobStore, message: str, times: int = 1) -> None:
    """Wait until so many jobs say so by their progress."""
    async with (
        asyncio.timeout(DEADLINE_S),
        Board(store.client, store.places.progress) as board,
    ):
        while [task.message for task in board.tasks.values()].count(message) < times:
            await board.change()


def result(ending: Ending) -> object:
    """Return what a job returned, in plain form."""
    if ending.result_msgpack:
        found: object = msgspec.msgpack.decode(ending.result_msgpack)
        return found
    return msgspec.json.decode(ending.result)
