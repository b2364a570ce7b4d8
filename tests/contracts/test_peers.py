"""What every PeerTransport keeps, whatever carries it."""

import pytest

from tests.contracts.conftest import SETTINGS, Taken, World
from transport.base import PeerTransport, TransportError


def _joined(world: World) -> tuple[PeerTransport, PeerTransport]:
    """Two nodes that know each other, 1 -> 2 known to stand."""
    one, _ = world.open_node("one")
    two, _ = world.open_node("two")
    one.set_peers({2: world.peer_address("two")})
    two.set_peers({1: world.peer_address("one")})
    world.settle(lambda: one.send(2, b"first"))
    world.settle(lambda: two.receive(10) == [b"first"])
    return one, two


def test_a_message_reaches_the_peer_it_was_sent_to(world: World) -> None:
    one, two = _joined(world)
    world.settle(lambda: two.send(1, b"and back"))
    world.settle(lambda: one.receive(10) == [b"and back"])


def test_messages_arrive_whole_in_order_and_once(world: World) -> None:
    one, two = _joined(world)
    messages = [b"%d " % number + b"x" * (number * 700) for number in range(200)]
    waiting = list(messages)
    arrived: Taken[bytes] = Taken()

    def exchange() -> bool:
        if waiting and one.send(2, waiting[0]):
            waiting.pop(0)
        return len(arrived.take(two.receive(3))) >= len(messages)

    world.settle(exchange)
    assert arrived == messages
    assert two.receive(3) == []


def test_empty_and_largest_payloads_arrive(world: World) -> None:
    one, two = _joined(world)
    largest = b"x" * SETTINGS.send_bytes_max
    world.settle(lambda: one.send(2, b""))
    world.settle(lambda: one.send(2, largest))
    arrived: Taken[bytes] = Taken()
    world.settle(lambda: len(arrived.take(two.receive(3))) >= 2)
    assert arrived == [b"", largest]


def test_a_payload_too_large_is_the_senders_error_and_changes_nothing(world: World) -> None:
    one, two = _joined(world)
    with pytest.raises(TransportError, match="larger than 200000"):
        one.send(2, b"x" * (SETTINGS.send_bytes_max + 1))
    world.settle(lambda: one.send(2, b"small"))
    world.settle(lambda: two.receive(10) == [b"small"])


def test_a_message_for_an_unknown_peer_is_dropped(world: World) -> None:
    one, _ = _joined(world)
    assert not one.send(9, b"anybody?")


def test_a_message_for_a_peer_that_is_not_there_is_dropped(world: World) -> None:
    one, _ = world.open_node("one")
    one.set_peers({2: world.peer_address("two")})
    assert not one.send(2, b"hello?")


def test_a_peer_that_reads_nothing_makes_sends_drop_and_never_block(world: World) -> None:
    one, two = _joined(world)
    message = b"x" * 100_000
    world.settle(lambda: not one.send(2, message))
    kept: Taken[bytes] = Taken()
    world.settle(lambda: kept.take(two.receive(5)) != [] and one.send(2, b"room again"))
    world.settle(lambda: b"room again" in kept.take(two.receive(5)))
    assert kept.count(message) >= SETTINGS.queue_messages


def test_a_peer_that_comes_back_on_its_address_is_reached_again(world: World) -> None:
    one, _ = _joined(world)
    world.close_node("two")
    world.settle(lambda: not one.send(2, b"into the void"))
    again, _ = world.open_node("two")
    arrived: Taken[bytes] = Taken()
    world.settle(lambda: one.send(2, b"welcome") and arrived.take(again.receive(10)) != [])
    assert arrived[0] == b"welcome"  # nothing from before was kept for it


def test_a_peer_taken_off_the_list_gets_nothing_more(world: World) -> None:
    one, two = _joined(world)
    one.set_peers({})
    assert not one.send(2, b"late")
    one.set_peers({2: world.peer_address("two")})
    world.settle(lambda: one.send(2, b"back on the list"))
    world.settle(lambda: two.receive(10) == [b"back on the list"])


def test_a_peer_that_moves_is_reached_at_its_new_address(world: World) -> None:
    one, two = _joined(world)
    three, _ = world.open_node("three")
    one.set_peers({2: world.peer_address("three")})
    world.settle(lambda: one.send(2, b"moved"))
    world.settle(lambda: three.receive(10) == [b"moved"])
    assert two.receive(10) == []


def test_no_more_messages_are_taken_than_asked_for(world: World) -> None:
    one, two = _joined(world)
    for number in range(4):
        world.settle(lambda number=number: one.send(2, b"%d" % number))  # type: ignore[misc]
    arrived: Taken[bytes] = Taken()
    for expected in range(1, 5):
        world.settle(lambda expected=expected: len(arrived.take(two.receive(1))) >= expected)  # type: ignore[misc]
        assert len(arrived) == expected
    assert two.receive(0) == []


def test_an_address_in_use_is_refused_by_name(world: World) -> None:
    world.open_node("one")
    with pytest.raises(TransportError, match=r"cannot listen on .*one.peer.*already in use"):
        world.open_node("one")
