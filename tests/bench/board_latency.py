"""How long a change of a notice board takes to reach every one of many clients.

    python -m tests.bench.board_latency --readers 50 --changes 200

A cluster of three on this machine; every reader has a client, and so a connection, of its own. The
time runs from before the write is sent until a reader has the notice in hand.
"""

import asyncio
import json
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import click

from coord import aio
from coord.testing.local_cluster import started_cluster
from recipes.board import NoticeBoard

PREFIX = "board/"
PAUSE_S = 0.01  # between changes: a person or a program at a console, not a flood


async def measure(endpoints: str, readers: int, changes: int) -> list[float]:
    """Return, for each change, the milliseconds until the last reader had it."""
    sent_s = [0.0] * changes
    last_s = [0.0] * changes
    async with AsyncExitStack() as stack:
        console = await stack.enter_async_context(aio.connect(endpoints))
        board = NoticeBoard(console, PREFIX)
        bookmark = await board.write("start", "")
        standing = asyncio.Semaphore(0)

        async def read() -> None:
            async with aio.connect(endpoints) as client:
                pages = NoticeBoard(client, PREFIX).follow(bookmark)
                seen = 0
                while seen < changes:
                    for notice in await anext(pages):
                        if notice.subject == "ready":
                            standing.release()
                            continue
                        assert notice.body is not None
                        last_s[int(notice.body)] = time.monotonic()
                        seen += 1
                await pages.aclose()

        reading = [asyncio.create_task(read()) for _ in range(readers)]
        await board.write("ready", "")
        for _ in reading:
            await standing.acquire()
        for number in range(changes):
            sent_s[number] = time.monotonic()
            await board.write("change", str(number))
            await asyncio.sleep(PAUSE_S)
        await asyncio.gather(*reading)
    return sorted(1000 * (last - sent) for sent, last in zip(sent_s, last_s, strict=True))


def _quantile(ordered: Sequence[float], part: float) -> float:
    return round(ordered[min(len(ordered) - 1, int(part * len(ordered)))], 2)


@click.command()
@click.option("--readers", default=50, show_default=True, help="Clients that follow.")
@click.option("--changes", default=200, show_default=True, help="Changes to measure.")
def main(readers: int, changes: int) -> None:
    """Print the latency until the last of all readers was told, as JSON."""
    with (
        tempfile.TemporaryDirectory(prefix="coord-board-") as folder,
        started_cluster(Path(folder)) as cluster,
    ):
        found = asyncio.run(measure(cluster.endpoints, readers, changes))
    report: dict[str, float] = {"readers": readers, "changes": changes}
    report |= {f"last_p{part}_ms": _quantile(found, part / 100) for part in (50, 99)}
    click.echo(json.dumps(report))


if __name__ == "__main__":
    main()
