"""`coord top`: what is going on, once or live."""

import asyncio
import json
from collections.abc import Callable

from coord.client.ops import Text
from coord.errors import Unavailable
from coord.requests import RangeReply
from coord.testing.local import LocalClient, LocalCluster, in_loop, settle
from tests.workers.commands.conftest import JobCommands
from workers.commands.top import follow, screen
from workers.model.states import State
from workers.overview.values import Overview, Rates
from workers.store.jobs import JobStore
from workers.testing.at_hand import entry, in_office, on_the_roll, ready
from workers.testing.hand_timer import HandTimer


def test_without_a_terminal_it_prints_once(coord_command: JobCommands) -> None:
    asyncio.run(_filled(coord_command))
    printed = coord_command("top")
    assert printed.exit_code == 0
    lines = [line.split() for line in printed.output.splitlines()]
    assert ["mail", "1", "0", "0", "0", "0", "0"] in lines
    assert lines[1][2:] == ["steward", "w"]


def test_programs_get_one_document(coord_command: JobCommands) -> None:
    asyncio.run(_filled(coord_command))
    told = json.loads(coord_command("top", "-w", "json").output)
    assert told["queues"][0]["ready"] == 1
    assert [worker["name"] for worker in told["workers"]] == ["w"]


def test_an_empty_store_is_shown_too(coord_command: JobCommands) -> None:
    assert "steward nobody" in coord_command("top", "--once").output


def test_what_went_wrong_is_shown_above_what_was_seen() -> None:
    lines = screen(None, Rates({}, {}), "no leader", 0).renderables
    assert [str(line) for line in lines][1:] == ["no leader"]


class _Screen:
    """What was drawn."""

    def __init__(self) -> None:
        self.drawn: list[tuple[Overview | None, str]] = []

    def draw(self, overview: Overview | None, ended: Rates, trouble: str) -> None:
        self.drawn.append((overview, trouble))

    @property
    def ready(self) -> int:
        """How many jobs the last one showed."""
        overview = self.drawn[-1][0]
        return 0 if overview is None else sum(q.counts[State.READY] for q in overview.queues)


@in_loop
async def test_it_looks_again_when_something_happens_and_only_then() -> None:
    client = _Counting(LocalCluster())
    store = JobStore(client, timer=HandTimer())
    shown = _Screen()
    following = asyncio.create_task(follow(store, shown.draw, 0))
    await _until(lambda: len(shown.drawn) > 20)
    looks = client.reads
    await _until(lambda: len(shown.drawn) > 60)
    assert client.reads == looks, "time passes on the screen, nobody asks the store"
    await ready(store)
    await _until(lambda: shown.ready == 1)
    await _end(following)


@in_loop
async def test_it_goes_on_after_the_cluster_was_away() -> None:
    client = _Counting(LocalCluster())
    store = JobStore(client, timer=HandTimer())
    shown = _Screen()
    client.is_away = True
    following = asyncio.create_task(follow(store, shown.draw, 0))
    await _until(lambda: bool(shown.drawn))
    assert shown.drawn[-1] == (None, "no leader")
    client.is_away = False
    await _until(lambda: shown.drawn[-1][1] == "")
    await _end(following)


class _Counting(LocalClient):
    reads = 0
    is_away = False

    async def get(self, key: Text, **options: object) -> RangeReply:
        self.reads += 1
        if self.is_away:
            raise Unavailable("no leader")
        return await super().get(key, **options)


async def _until(so: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not so():
            await settle(1)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait((task,))


async def _filled(coord_command: JobCommands) -> None:
    client = coord_command.cluster.client()
    await in_office(client)
    await on_the_roll(client, entry("w", "mail"))
    await ready(coord_command.store, queue="mail")
