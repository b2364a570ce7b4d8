"""Sub-tasks report how far they are; a manager sees it live, and sees who fell silent."""

import asyncio
from collections.abc import Callable

from coord import aio
from recipes.progress import Board, Reporter, rolled_up

PREFIX = "examples/progress/"


async def until(board: Board, holds: Callable[[], bool]) -> None:
    while not holds():
        await board.change()


def show(board: Board) -> None:
    for name, task in board.tasks.items():
        print(f"{name}: {task.done} of {task.total} by {task.by} {task.message}".rstrip())


async def main() -> None:
    async with aio.connect() as client, Board(client, PREFIX) as board:
        first, second = await client.session(ttl_ms=5000), await client.session(ttl_ms=5000)
        async with (
            Reporter(client, first, PREFIX, by="w1") as of_first,
            Reporter(client, second, PREFIX, by="w2") as of_second,
        ):
            for done in range(1, 101):  # as often as one likes: the newest always arrives
                of_first.report("parse", done, 200, f"file {done}")
            of_second.report("upload", 5, 50)
            await until(board, lambda: rolled_up(board.tasks.values()).done == 105)
            show(board)
            whole = rolled_up(board.tasks.values())
            print(f"all together: {whole.done} of {whole.total}, {whole.message}")

            await second.close()  # w2 "dies", and what it reported goes with it
            await until(board, lambda: "upload" not in board.tasks)
            of_first.report("parse", 200, 200)
            await until(board, lambda: board.tasks["parse"].done == 200)
            show(board)
        await first.close()


asyncio.run(main())
