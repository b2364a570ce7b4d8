"""The blocking face of what follows the store: lists, settings, boards, sightings."""

import queue
import random
import time
from collections.abc import Iterator

import pytest

from coord import aio
from coord.client.blocking import Client
from coord.client.settings import Settings
from coord.testing.instant_node import InstantDialer, InstantNode
from recipes import blocking
from recipes.monitor import Sighting, What
from recipes.registry import Instance

NODE = "tcp://node:1"
WAIT_S = 10.0


@pytest.fixture
def client() -> Iterator[Client]:
    """Return a blocking client of a store in this process."""
    node = InstantNode(lambda: time.monotonic() * 1000.0)
    settings = Settings(
        endpoints=(NODE,),
        timeout_ms=5_000.0,
        make_dialer=lambda: InstantDialer({NODE: node}),
        draw=random.Random(7).randint,
    )
    with Client(lambda: aio.Client(settings)) as made:
        yield made


def test_services_are_registered_looked_up_and_followed(client: Client) -> None:
    registry = blocking.Registry(client)
    here = Instance("10.0.0.1:80")
    with registry.follow("s") as instances:
        assert instances.living == ()
        with registry.register("s", here) as presence:
            assert presence.is_here
            assert registry.lookup("s") == (here,)
            assert instances.change() == (here,)
        assert instances.change() == ()


def test_members_join_and_leave(client: Client) -> None:
    group = blocking.Group(client, "g/")
    with group.join("a", "1"), group:
        assert [(member.name, member.value) for member in group.members] == [("a", b"1")]


def test_settings_are_values_kept_up_by_the_clients_thread(client: Client) -> None:
    config = blocking.Config(client, "c/")
    rate = config.setting("rate", int, 1)
    told: queue.Queue[int] = queue.Queue()
    rate.on_change(told.put)
    with config:
        config.set("rate", 250)
        assert told.get(timeout=WAIT_S) == 250
        assert rate.value == 250


def test_a_board_is_followed_by_an_ordinary_loop(client: Client) -> None:
    board = blocking.NoticeBoard(client, "b/")
    board.write("s", "1")
    board.append("2")
    bodies = []
    for notices in board.follow():
        bodies += [notice.body for notice in notices]
        if len(bodies) == 2:
            break
    assert bodies == [b"1", b"2"]


def test_sightings_come_to_a_queue(client: Client) -> None:
    seen: queue.Queue[Sighting] = queue.Queue()
    with blocking.Monitor(client, "g/") as monitor:
        monitor.on(seen.put)
        client.put("g/a", "1")
        assert seen.get(timeout=WAIT_S).what is What.CAME
