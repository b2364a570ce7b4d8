"""The blocking face: the same client, used from threads."""

import inspect
import os
import random
import threading
import time

import pytest

from coord import aio
from coord.client import blocking
from coord.client.settings import Settings
from coord.errors import HistoryCompacted, Misuse, Unavailable
from coord.frames import WriteFrame
from coord.requests import LeaseRevoke
from coord.testing.instant_node import InstantDialer, InstantNode

NODE = "tcp://node:1"
WAIT_S = 10.0


def connected(timeout_ms: float = 5_000.0) -> tuple[blocking.Client, InstantNode]:
    node = InstantNode(lambda: time.monotonic() * 1000.0)
    settings = Settings(
        endpoints=(NODE,),
        timeout_ms=timeout_ms,
        make_dialer=lambda: InstantDialer({NODE: node}),
        draw=random.Random(7).randint,
    )
    return blocking.Client(lambda: aio.Client(settings)), node


def test_it_puts_and_gets() -> None:
    client, _ = connected()
    with client:
        client.put("k", "v")
        assert client.get("k").kvs[0].value == b"v"


def test_both_faces_have_the_same_methods_and_arguments() -> None:
    def public(face: type) -> dict[str, list[str]]:
        return {
            name: list(inspect.signature(method).parameters)
            for name, method in inspect.getmembers(face, inspect.isfunction)
            if not name.startswith("_")
        }

    assert public(blocking.Client) == public(aio.Client)


def test_many_threads_use_one_client_at_once() -> None:
    client, _ = connected()

    def work(number: int) -> None:
        for at in range(20):
            client.put(f"k{number:02}{at:02}", "v")

    with client:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert client.get("k", prefix=True, count_only=True).count == 400


def test_a_watch_is_an_iterator() -> None:
    client, _ = connected()
    with client, client.watch("k") as watch:
        client.put("k", "1")
        client.put("k", "2")
        values: list[bytes] = []
        for batch in watch:
            values += [event.kv.value for event in batch.events]
            if len(values) == 2:
                break
        assert values == [b"1", b"2"]


def test_take_gives_up_when_the_time_has_passed() -> None:
    client, _ = connected()
    with client, client.watch("k") as watch:
        assert watch.take(timeout_ms=1) is None


def test_canceling_ends_the_iteration_of_another_thread() -> None:
    client, _ = connected()
    with client:
        watch = client.watch("k")
        thread = threading.Thread(target=lambda: list(watch))
        thread.start()
        watch.cancel()
        thread.join(WAIT_S)
        assert not thread.is_alive()
        assert watch.ended


def test_the_error_that_ends_a_watch_is_raised() -> None:
    client, _ = connected()
    with client:
        for at in range(4):
            client.put("k", f"{at}")
        client.compact(4)
        with pytest.raises(HistoryCompacted):
            next(client.watch("k", start_revision=2))


def test_a_session_is_kept_and_revoked_at_the_end() -> None:
    client, node = connected()
    with client:
        with client.session(5_000) as session:
            client.put("me", lease=session.lease)
            assert node.store.lease_count == 1
        assert node.store.lease_count == 0
        assert not session.lost.is_set()


def test_the_loss_of_a_session_wakes_who_waits_for_it() -> None:
    client, node = connected()
    told = threading.Event()
    with client:
        session = client.session(300, on_lost=told.set)
        node.apply(WriteFrame(1, 0, 1, (LeaseRevoke(session.lease),)))
        assert session.lost.wait(WAIT_S)
        assert told.wait(WAIT_S)


def test_a_closed_client_refuses() -> None:
    client, _ = connected()
    client.close()
    client.close()
    with pytest.raises(Misuse):
        client.put("k")


def test_closing_leaves_no_thread() -> None:
    before = set(threading.enumerate())
    client, _ = connected()
    client.put("k")
    client.close()
    assert set(threading.enumerate()) <= before


def test_a_failed_connect_leaves_no_thread() -> None:
    def make() -> aio.Client:
        raise Misuse("no such address")

    before = set(threading.enumerate())
    with pytest.raises(Misuse):
        blocking.Client(make)
    assert set(threading.enumerate()) <= before


def test_a_callback_that_waits_for_the_client_is_refused_instead_of_hanging() -> None:
    client, node = connected()
    found: list[BaseException] = []
    told = threading.Event()

    def on_lost() -> None:
        try:
            client.put("k")
        except Misuse as error:
            found.append(error)
        told.set()

    with client:
        session = client.session(300, on_lost=on_lost)
        node.apply(WriteFrame(1, 0, 1, (LeaseRevoke(session.lease),)))
        assert told.wait(WAIT_S)
    assert len(found) == 1


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_forked_child_is_refused() -> None:
    client, _ = connected()
    with client:
        child = os.fork()
        if child == 0:
            try:
                client.put("k")
            except Misuse:
                os._exit(42)
            finally:
                os._exit(1)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 42
        client.put("k")


def test_an_unanswered_request_ends_at_its_deadline() -> None:
    client, node = connected(timeout_ms=50)
    with client:
        client.put("k")
        for channel in list(node.channels):
            channel.send = lambda payload: False  # type: ignore[method-assign]
        with pytest.raises(Unavailable):
            client.get("k")
