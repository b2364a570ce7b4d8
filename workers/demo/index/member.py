"""One worker process of the index build: works, stands for builder, receives the index.

Started as `python -m workers.demo.index.member PARENT_PID ENDPOINTS NAME CORPUS DIRECTORY`.
TERM ends it in order: it hands back what it holds, leaves the election and goes. A second TERM
ends it at once; its leases run out.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

import msgspec
import structlog

from coord import aio
from coord.cli.parent_death import die_with_parent
from coord.errors import MaybeDone, Unavailable
from recipes.errors import SessionLost, session_ends
from workers.demo.index import keys
from workers.demo.index.builder import APP, PAUSE_S, BuildSettings, build_when_elected
from workers.demo.index.receiver import receive
from workers.settings import Tally, WorkerSettings
from workers.signals import stop_on_signal
from workers.worker import Worker

TTL_MS = 3_000


def main(arguments: list[str]) -> None:
    """Run until told to end."""
    parent, endpoints, name, corpus, directory = arguments
    die_with_parent(int(parent), signal.SIGKILL)
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    settings = BuildSettings(name, Path(corpus), Path(directory))
    asyncio.run(_serve(endpoints, settings))


async def _serve(endpoints: str, settings: BuildSettings) -> None:
    async with aio.connect(endpoints) as client:
        worker = Worker(
            client,
            WorkerSettings(
                name=settings.name,
                queue=keys.QUEUE,
                app=APP,
                ttl_ms=TTL_MS,
                progress=keys.PROGRESS,
            ),
        )
        ending = asyncio.Event()

        def stop() -> None:
            ending.set()
            worker.stop()

        stop_on_signal(stop)
        async with asyncio.TaskGroup() as group:
            others = [
                group.create_task(_take_part(client, settings)),
                group.create_task(_receive(client, settings, worker.tally)),
            ]
            group.create_task(worker.run())
            await ending.wait()
            for task in others:
                task.cancel()


async def _take_part(client: aio.Client, settings: BuildSettings) -> None:
    """Be listed as a member and stand for builder, with a new session whenever one is lost."""
    while True:
        try:
            async with client.session(ttl_ms=TTL_MS) as session:
                member = msgspec.json.encode(keys.Member(os.getpid()))
                key = keys.MEMBERS + settings.name.encode()
                with session_ends():
                    await client.put(key, member, lease=session.lease)
                await build_when_elected(client, session, settings)
                await session.lost.wait()
        except SessionLost:
            continue
        except (Unavailable, MaybeDone):
            await asyncio.sleep(PAUSE_S)


async def _receive(client: aio.Client, settings: BuildSettings, tally: Tally) -> None:
    directory = settings.directory / "received"
    directory.mkdir(exist_ok=True)
    while True:
        try:
            await receive(client, settings.name, directory, tally)
            return
        except (Unavailable, MaybeDone):
            await asyncio.sleep(PAUSE_S)


if __name__ == "__main__":
    main(sys.argv[1:])
