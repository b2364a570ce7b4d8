"""`coord job wait`: wait for jobs to end; show how far they are meanwhile."""

import asyncio
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

import click

from coord.cli.arguments import SECONDS
from coord.cli.output import Format, print_json, write_out
from coord.errors import ErrorCode, Unavailable
from recipes.progress import Board
from workers.commands.bars import Bars, bars_for
from workers.commands.job_store import with_job_store
from workers.commands.job_text import plain_result, result_line
from workers.errors import JobFailed
from workers.model.ending import Ending
from workers.model.ids import JobId
from workers.model.states import State
from workers.store.jobs import JobStore


@click.command(name="wait")
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.option("--wait", "wait_ms", type=SECONDS, help="Seconds at most; then it ends with 4.")
@click.option("--progress", is_flag=True, help="Show how far they are, on stderr.")
@write_out()
@with_job_store
async def wait(
    store: JobStore, form: Format, ids: Sequence[str], wait_ms: int | None, progress: bool
) -> None:
    """Wait until the jobs have ended, and print what came of each.

    For one job its result is printed as JSON; for several a line for each as it ends: its id and
    its result, or why there is none. Ends with 1 if any did not end well. The id - stands for ids
    read from stdin, a line for each.

    \b
    Example:
        coord job wait mail:5000000000000012a0000
        coord job list mail --ids | coord job wait - --progress
    """
    wanted = _ids(ids)
    waiting = _Waiting(store, form, wanted)
    try:
        async with asyncio.timeout(None if wait_ms is None else wait_ms / 1000):
            if progress:
                await waiting.with_progress()
            else:
                await waiting.until_all_ended()
    except TimeoutError:
        left = len(waiting.open)
        detail = f"{left} of {len(wanted)} jobs have not ended in time"
        raise Unavailable(detail, ErrorCode.TIMED_OUT) from None
    waiting.judge()


class _Waiting:
    """The jobs one command waits for; what is printed would mix with bars, so it comes after."""

    def __init__(self, store: JobStore, form: Format, ids: Sequence[JobId]) -> None:
        self._store = store
        self._form = form
        self._ids = ids
        self._failed: list[tuple[JobId, Ending]] = []
        self._held_back: list[tuple[JobId, Ending]] | None = None
        self.open = set(ids)

    async def until_all_ended(self, bars: Bars | None = None) -> None:
        """Return once all have ended; each is printed as it does."""
        waiting = [asyncio.create_task(self._one(job_id, bars)) for job_id in self._ids]
        try:
            await asyncio.gather(*waiting)
        finally:
            for each in waiting:
                each.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    async def with_progress(self) -> None:
        """Wait likewise, and show how far those that run are; the ends are printed last."""
        self._held_back = []
        try:
            await self._with_bars()
        finally:
            held_back, self._held_back = self._held_back, None
            for job_id, ending in held_back:
                self._print(job_id, ending)

    async def _with_bars(self) -> None:
        async with AsyncExitStack() as stack:
            board = await stack.enter_async_context(
                Board(self._store.client, self._store.places.progress)
            )
            bars = stack.enter_context(bars_for([str(job_id) for job_id in self._ids]))
            drawing = asyncio.create_task(_draw(board, bars), name="draw progress")
            try:
                await self.until_all_ended(bars)
            finally:
                drawing.cancel()
                await asyncio.gather(drawing, return_exceptions=True)

    def judge(self) -> None:
        """Raise JobFailed for the first that did not end well."""
        if self._failed:
            raise JobFailed(*self._failed[0])

    async def _one(self, job_id: JobId, bars: Bars | None) -> None:
        ending = await self._store.wait(job_id)
        self.open.discard(job_id)
        if ending.state is not State.DONE:
            self._failed.append((job_id, ending))
        if bars is not None:
            bars.end(str(job_id), ending.state)
        self._print(job_id, ending)

    def _print(self, job_id: JobId, ending: Ending) -> None:
        if self._held_back is not None:
            self._held_back.append((job_id, ending))
        elif self._form is Format.JSON:
            print_json(_ended_json(job_id, ending))
        elif len(self._ids) > 1:
            click.echo(f"{job_id} {result_line(ending)}")
        elif ending.state is State.DONE:
            click.echo(result_line(ending))


async def _draw(board: Board, bars: Bars) -> None:
    while True:
        bars.show(board.tasks)
        await board.change()


def _ended_json(job_id: JobId, ending: Ending) -> dict[str, Any]:
    return {
        "id": str(job_id),
        "state": ending.state.value,
        "result": plain_result(ending),
        "cause": ending.cause,
        "attempt": ending.attempt,
    }


def _ids(given: Sequence[str]) -> list[JobId]:
    texts: list[str] = []
    for each in given:
        texts += sys.stdin.read().split() if each == "-" else [each]
    return [JobId.parse(text) for text in dict.fromkeys(texts)]
