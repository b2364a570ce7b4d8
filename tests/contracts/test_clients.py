"""What every ClientListener and ClientChannel keep, whatever carries them."""

import pytest

from tests.contracts.conftest import SETTINGS, Taken, World
from transport.base import ClientChannel, ClientListener, LinkEvent, SendResult, TransportError


def _joined(world: World) -> tuple[ClientListener, ClientChannel, bytes]:
    """A node, a client of it, and the client's route."""
    _, listener = world.open_node("one")
    channel = world.dialer().dial(world.client_address("one"))
    _wait_for(world, channel, LinkEvent.UP)
    return listener, channel, _route(world, listener, channel)


def _wait_for(world: World, channel: ClientChannel, wanted: LinkEvent) -> None:
    world.settle(lambda: wanted in channel.link_events())


def _route(world: World, listener: ClientListener, channel: ClientChannel) -> bytes:
    assert channel.send(b"hello")
    arrived: Taken[tuple[bytes, bytes]] = Taken()
    world.settle(lambda: arrived.take(listener.receive(10, 1000)) != [])
    assert [payload for _, payload in arrived] == [b"hello"]
    return arrived[0][0]


def test_a_request_arrives_with_a_route_and_the_answer_returns_by_it(world: World) -> None:
    listener, channel, route = _joined(world)
    assert listener.send(route, b"welcome") is SendResult.SENT
    world.settle(channel.pending)
    assert channel.receive(10) == [b"welcome"]
    assert not channel.pending()


def test_sends_work_from_the_first_up_and_not_before(world: World) -> None:
    channel = world.dialer().dial(world.client_address("one"))
    assert not channel.send(b"too early")
    _, listener = world.open_node("one")
    _wait_for(world, channel, LinkEvent.UP)
    _route(world, listener, channel)


def test_two_clients_have_two_routes_and_get_their_own_answers(world: World) -> None:
    listener, one, route_one = _joined(world)
    two = world.dialer().dial(world.client_address("one"))
    _wait_for(world, two, LinkEvent.UP)
    route_two = _route(world, listener, two)
    assert route_one != route_two
    assert listener.send(route_one, b"1") is SendResult.SENT
    assert listener.send(route_two, b"2") is SendResult.SENT
    world.settle(lambda: one.pending() and two.pending())
    assert (one.receive(9), two.receive(9)) == ([b"1"], [b"2"])


def test_messages_of_one_connection_keep_their_order(world: World) -> None:
    listener, channel, _ = _joined(world)
    sent: list[bytes] = []
    asked: list[bytes] = []
    answered: list[bytes] = []

    def exchange() -> bool:
        if len(sent) < 100 and channel.send(b"%d" % len(sent)):
            sent.append(b"%d" % len(sent))
        for route, payload in listener.receive(5, 1000):
            asked.append(payload)
            assert listener.send(route, payload) is SendResult.SENT
        answered.extend(channel.receive(5))
        return len(answered) == 100

    world.settle(exchange)
    assert sent == asked == answered


def test_no_more_is_taken_than_the_asked_messages_or_bytes(world: World) -> None:
    listener, channel, _ = _joined(world)
    for _ in range(4):
        assert channel.send(b"x" * 100)
    taken: Taken[tuple[bytes, bytes]] = Taken()
    world.settle(lambda: taken.take(listener.receive(1, 10_000)) != [])
    assert len(taken) == 1
    world.settle(lambda: len(taken.take(listener.receive(10, 1))) > 1)
    assert len(taken) == 2
    world.settle(lambda: len(taken.take(listener.receive(10, 10_000))) == 4)
    assert listener.receive(0, 10_000) == []


def test_an_unknown_route_is_gone(world: World) -> None:
    listener, _, _ = _joined(world)
    assert listener.send(b"nobody", b"x") is SendResult.GONE


def test_a_closed_channel_is_gone_and_the_others_stay(world: World) -> None:
    listener, channel, route = _joined(world)
    other = world.dialer().dial(world.client_address("one"))
    _wait_for(world, other, LinkEvent.UP)
    channel.close()
    world.settle(lambda: listener.send(route, b"x") is SendResult.GONE)
    _route(world, listener, other)


def test_a_client_that_reads_nothing_is_busy_and_harms_nobody(world: World) -> None:
    _, listener = world.open_node("one")
    slow = world.slow_dialer().dial(world.client_address("one"))
    _wait_for(world, slow, LinkEvent.UP)
    route = _route(world, listener, slow)
    message = b"x" * 100_000
    world.settle(lambda: listener.send(route, message) is SendResult.BUSY)
    other = world.dialer().dial(world.client_address("one"))
    _wait_for(world, other, LinkEvent.UP)
    other_route = _route(world, listener, other)
    assert listener.send(other_route, b"quick") is SendResult.SENT
    world.settle(lambda: other.receive(9) == [b"quick"])
    read: Taken[bytes] = Taken()
    world.settle(
        lambda: read.take(slow.receive(9)) != [] and listener.send(route, b"now") is SendResult.SENT
    )
    world.settle(lambda: b"now" in read.take(slow.receive(9)))
    assert set(read) == {message, b"now"}


def test_a_node_that_reads_nothing_makes_a_clients_send_fail(world: World) -> None:
    _, channel, _ = _joined(world)
    message = b"x" * 100_000
    world.settle(lambda: not channel.send(message))


def test_a_node_that_ends_is_told_and_its_return_gives_a_new_route(world: World) -> None:
    _, channel, route = _joined(world)
    world.close_node("one")
    _wait_for(world, channel, LinkEvent.DOWN)
    assert not channel.send(b"anybody?")
    _, listener = world.open_node("one")
    _wait_for(world, channel, LinkEvent.UP)
    new_route = _route(world, listener, channel)  # also: nothing from before arrives
    assert new_route != route
    assert listener.send(route, b"x") is SendResult.GONE


def test_payloads_too_large_are_the_senders_error(world: World) -> None:
    listener, channel, route = _joined(world)
    oversize = b"x" * (SETTINGS.send_bytes_max + 1)
    with pytest.raises(TransportError, match="larger than 200000"):
        channel.send(oversize)
    with pytest.raises(TransportError, match="larger than 200000"):
        listener.send(route, oversize)
    assert _route(world, listener, channel) == route


def test_closing_twice_is_closing_once(world: World) -> None:
    _, channel, _ = _joined(world)
    channel.close()
    channel.close()
