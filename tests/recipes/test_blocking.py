"""The blocking face of the recipes: the same objects, used from threads."""

import contextlib
import importlib
import random
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from coord import aio, ops
from coord.client.blocking import Client, Session
from coord.client.settings import Settings
from coord.errors import Misuse, Refused
from coord.testing.instant_node import InstantDialer, InstantNode
from recipes import blocking
from recipes.conditions import Signal
from recipes.errors import NotHolder, SessionLost, StillHeld

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


def test_a_lock_is_taken_held_and_released_by_threads(client: Client) -> None:
    count = 0

    def work() -> None:
        nonlocal count
        with client.session() as session:
            lock = blocking.Lock(client, "l")
            for _ in range(5):
                with lock.acquire(session) as hold:
                    seen = count
                    assert client.txn([hold.guard()], [ops.put("effect")]).succeeded
                    count = seen + 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert count == 20
    assert client.get("l/", prefix=True).count == 0


def test_what_a_recipe_raises_and_returns_is_raised_and_returned(client: Client) -> None:
    with client.session() as s1, client.session() as s2:
        lock = blocking.Lock(client, "l", "me")
        hold = lock.acquire(s1)
        assert isinstance(hold.token, int)
        assert lock.try_acquire(s2) is None
        with pytest.raises(StillHeld):
            lock.acquire(s2, timeout_ms=20)
        assert [each.value for each in lock.contenders()] == [b"me"]
        hold.release()
        with pytest.raises(NotHolder):
            hold.release()
        with pytest.raises(Misuse):
            blocking.Lock(client, "")
        with pytest.raises(AttributeError):
            lock.no_such_method()


def test_an_election_is_led_and_observed(client: Client) -> None:
    with client.session() as session:
        election = blocking.Election(client, "o/")
        leadership = election.campaign(session, "me")
        assert election.leader().value == b"me"
        for leader in election.observe():
            assert leader.token == leadership.token
            break
        leadership.resign()


def test_items_go_through_a_queue_and_a_mirror_follows(client: Client) -> None:
    queue = blocking.Queue(client, "q/")
    with client.session() as session, blocking.Mirror(client, "q/done/") as mirror:
        queue.put("body")
        consumer = blocking.Consumer(queue, session, "me")
        (item,) = consumer.take()
        consumer.complete(item, "result")
        mirror.change()
        assert len(mirror.keys) == 1


def test_gates_and_queues_of_every_kind_have_faces(client: Client) -> None:
    with client.session() as session:
        delayed = blocking.DelayQueue(client, "d/")
        moving = threading.Thread(target=_move_until_closed, args=(delayed, session))
        moving.start()
        delayed.put("later", delay_ms=5)
        (item,) = blocking.Consumer(delayed, session, "me").take()
        assert item.body == b"later"
        named = blocking.IdQueue(client, "i/")
        named.put("body", name="job")
        assert named.remove("job")
        for queue in (
            blocking.PriorityQueue(client, "p/"),
            blocking.ShardedQueue(client, "s/", 2),
        ):
            gate = blocking.Gate(client, queue.prefix + b"gate", Signal(f"go {queue.prefix!r}"))
            queue.put("a")
            gate.force("me")
            (item,) = blocking.Consumer(queue, session, "me", gate).take()
            assert gate.wait().by == "me"
    moving.join(WAIT_S)
    assert not moving.is_alive()


def _move_until_closed(queue: blocking.Face, session: Session) -> None:
    with contextlib.suppress(SessionLost, Refused):
        blocking.Mover(queue, session).run()


def test_a_transaction_runs_a_function_that_blocks(client: Client) -> None:
    def work(transaction: Any) -> int:
        number = int(transaction.get("n") or b"0") + 1
        transaction.put("n", str(number))
        return number

    assert [blocking.transact(client, work) for _ in range(3)] == [1, 2, 3]


def test_counters_latches_and_barriers_have_faces_too(client: Client) -> None:
    assert blocking.Counter(client, "c").add(2) == 2
    with blocking.Latch(client, "latch/") as latch:
        assert latch.wait().token > 0
    with client.session() as session:
        blocking.DoubleBarrier(client, "b", 1).enter(session).leave()


def test_after_the_client_is_closed_it_is_misuse(client: Client) -> None:
    lock = blocking.Lock(client, "l")
    session = client.session()
    client.close()
    with pytest.raises(Misuse):
        lock.acquire(session)


@pytest.mark.parametrize("name", blocking.RECIPES)
def test_every_name_is_a_recipe(name: str) -> None:
    module = importlib.import_module(f"recipes.{blocking.RECIPES[name]}")
    assert getattr(blocking, name).__doc__ == getattr(module, name).__doc__


def test_other_names_are_not_there() -> None:
    with pytest.raises(AttributeError):
        blocking.__getattr__("NoSuchRecipe")
