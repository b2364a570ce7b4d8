"""One worker process of the index build: works, stands for builder, receives the index.

Started as `python -m workers.demo.index.member PARENT_PID ENDPOINTS NAME DIRECTORY`. TERM ends it
in order: it hands back what it holds, leaves the election and goes. A second TERM ends it at once;
its leases run out.
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
from workers.demo.index.app import app
from workers.demo.index.builder import build_when_elected
from workers.demo.index.receiver import receive
from workers.running.crew_settings import CrewSettings
from workers.running.notice import Urgency
from workers.running.settings import WorkerSettings
from workers.running.signals import give_notice_on_signals
from workers.running.tally import Tally
from workers.running.worker import Worker

APP = "workers.demo.index.app:app"
TTL_MS = 3_000
PAUSE_S = 0.2


def main(arguments: list[str]) -> None:
    """Run until told to end."""
    parent, endpoints, name, directory = arguments
    die_with_parent(int(parent), signal.SIGKILL)
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    os.environ["COORD_ENDPOINTS"] = endpoints  # for the jobs that ask the cluster themselves
    asyncio.run(_serve(endpoints, name, Path(directory)))


async def _serve(endpoints: str, name: str, directory: Path) -> None:
    crew = CrewSettings(APP)
    async with aio.connect(endpoints) as client:
        settings = WorkerSettings(
            name=name, crew=crew, queues=(keys.QUEUE,), ttl_ms=TTL_MS, places=app.places
        )
        worker = Worker(client, settings)
        builds = Tally()
        give_notice_on_signals(worker.notice)
        async with asyncio.TaskGroup() as group:
            others = [
                group.create_task(_take_part(client, name, crew, builds)),
                group.create_task(_receive(client, name, directory, (worker.tally, builds))),
            ]
            group.create_task(worker.run())
            await worker.notice.at_least(Urgency.STOP)
            for task in others:
                task.cancel()


async def _take_part(client: aio.Client, name: str, crew: CrewSettings, builds: Tally) -> None:
    """Be listed as a member and stand for builder, with a new session whenever one is lost."""
    while True:
        try:
            async with client.session(ttl_ms=TTL_MS) as session:
                member = msgspec.json.encode(keys.Member(os.getpid()))
                with session_ends():
                    await client.put(keys.MEMBERS + name.encode(), member, lease=session.lease)
                while True:
                    await build_when_elected(client, session, name, crew, TTL_MS, builds)
        except SessionLost:
            continue
        except (Unavailable, MaybeDone):
            await asyncio.sleep(PAUSE_S)


async def _receive(
    client: aio.Client, name: str, directory: Path, tallies: tuple[Tally, ...]
) -> None:
    received = directory / "received"
    received.mkdir(exist_ok=True)
    while True:
        try:
            await receive(client, name, received, tallies)
        except (Unavailable, MaybeDone):
            await asyncio.sleep(PAUSE_S)


if __name__ == "__main__":
    main(sys.argv[1:])
