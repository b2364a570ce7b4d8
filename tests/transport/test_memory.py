"""The faults of the in-memory network: each happens when asked for, and the same for one seed."""

from random import Random

import pytest

from coord.testing.schedule import Schedule
from transport.base import LinkEvent, SendResult
from transport.memory import MemoryNetwork, MemoryPeers, Weather


class Net:
    """A network on its own time."""

    def __init__(self, weather: Weather | None = None, seed: int = 1) -> None:
        self.schedule = Schedule(seed)
        self.network = MemoryNetwork(self.schedule, Random(seed), weather)

    def run(self, for_ms: float) -> None:
        """Let time pass."""
        until_ms = self.schedule.now_ms + for_ms
        while self.schedule.step(until_ms):
            pass

    def pair(self) -> tuple[MemoryPeers, MemoryPeers]:
        """Two nodes, 1 and 2, that know each other."""
        one, two = self.network.peers("one", "a"), self.network.peers("two", "b")
        one.set_peers({2: "b"})
        two.set_peers({1: "a"})
        return one, two


def _send_numbers(weather: Weather, seed: int, count: int = 400) -> list[bytes]:
    net = Net(weather, seed)
    one, two = net.pair()
    for number in range(count):
        one.send(2, b"%d" % number)
        net.run(1.0)
    net.run(10_000.0)
    return two.receive(10 * count)


STORM = Weather(loss=0.2, duplicate=0.2, delay_min_ms=1.0, delay_mean_ms=5.0, straggler=0.1)


def test_the_same_seed_gives_the_same_arrivals_and_another_seed_others() -> None:
    assert _send_numbers(STORM, seed=7) == _send_numbers(STORM, seed=7)
    assert _send_numbers(STORM, seed=7) != _send_numbers(STORM, seed=8)


def test_a_storm_loses_doubles_and_reorders_and_invents_nothing() -> None:
    arrived = [int(text) for text in _send_numbers(STORM, seed=3)]
    assert set(arrived) < set(range(400))
    assert len(arrived) > len(set(arrived))
    assert arrived != sorted(arrived)


def test_still_weather_keeps_everything_in_order() -> None:
    assert _send_numbers(Weather(), seed=3) == [b"%d" % number for number in range(400)]


def test_a_cut_stops_one_direction_only_until_healed() -> None:
    net = Net()
    one, two = net.pair()
    net.network.cut("one", "two")
    assert one.send(2, b"lost")
    assert two.send(1, b"heard")
    net.run(10)
    assert (one.receive(9), two.receive(9)) == ([b"heard"], [])
    net.network.heal("one", "two")
    assert one.send(2, b"healed")
    net.run(10)
    assert two.receive(9) == [b"healed"]


def test_a_cut_swallows_what_is_under_way_between_peers() -> None:
    net = Net(Weather(delay_min_ms=10))
    one, two = net.pair()
    one.send(2, b"under way")
    net.run(5)
    net.network.cut("one", "two")
    net.run(50)
    assert two.receive(9) == []


def test_a_short_cut_holds_a_clients_messages_back_and_loses_none() -> None:
    net = Net()
    listener = net.network.listener("one", "c")
    channel = net.network.dialer("laptop").dial("c")
    net.run(10)
    assert channel.link_events() == [LinkEvent.UP]
    net.network.cut("laptop", "one")
    for number in range(5):
        assert channel.send(b"%d" % number)
    net.run(100)
    assert listener.receive(9, 999) == []
    net.network.heal("laptop", "one")
    net.run(1)
    assert [payload for _, payload in listener.receive(9, 999)] == [b"0", b"1", b"2", b"3", b"4"]
    net.run(10_000)
    assert channel.link_events() == []


@pytest.mark.parametrize("direction", [("laptop", "one"), ("one", "laptop")])
def test_a_long_cut_breaks_a_clients_connection_until_healed(direction: tuple[str, str]) -> None:
    net = Net()
    listener = net.network.listener("one", "c")
    channel = net.network.dialer("laptop").dial("c")
    net.run(10)
    channel.link_events()
    channel.send(b"before")
    net.run(1)
    ((old_route, _),) = listener.receive(9, 999)
    net.network.cut(*direction)
    net.run(5_000)
    assert channel.link_events() == [LinkEvent.DOWN]
    assert listener.send(old_route, b"x") is SendResult.GONE
    net.network.heal(*direction)
    net.run(1_000)
    assert channel.link_events() == [LinkEvent.UP]
    channel.send(b"after")
    net.run(1)
    ((new_route, payload),) = listener.receive(9, 999)
    assert payload == b"after"
    assert new_route != old_route


def test_a_breaking_connection_loses_only_a_suffix() -> None:
    net = Net(Weather(breaks=0.05, delay_mean_ms=3.0), seed=5)
    listener = net.network.listener("one", "c")
    channel = net.network.dialer("laptop").dial("c")
    by_route: dict[bytes, list[int]] = {}
    breaks = 0
    for number in range(300):
        channel.send(b"%d" % number)
        net.run(1)
        breaks += channel.link_events().count(LinkEvent.DOWN)
        for route, payload in listener.receive(9, 999):
            by_route.setdefault(route, []).append(int(payload))
    assert breaks > 2
    for numbers in by_route.values():
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_broken_links_come_back_by_themselves() -> None:
    net = Net()
    net.network.listener("one", "c")
    channel = net.network.dialer("laptop").dial("c")
    net.run(10)
    net.network.break_links("one", "laptop")
    net.run(1_000)
    assert channel.link_events() == [LinkEvent.UP, LinkEvent.DOWN, LinkEvent.UP]


def test_arrivals_and_link_events_wake_their_owner() -> None:
    net = Net()
    woken: list[str] = []
    peers = net.network.peers("two", "b", wake=lambda: woken.append("peers"))
    net.network.listener("one", "c", wake=lambda: woken.append("listener"))
    channel = net.network.dialer("laptop", wake=lambda: woken.append("client")).dial("c")
    net.run(10)
    one = net.network.peers("one", "a")
    one.set_peers({2: "b"})
    one.send(2, b"x")
    channel.send(b"y")
    net.run(10)
    assert woken == ["client", "peers", "listener"]
    assert peers.receive(9) == [b"x"]


def test_what_is_under_way_to_a_node_that_ends_is_lost() -> None:
    net = Net(Weather(delay_min_ms=10))
    one, two = net.pair()
    one.send(2, b"late")
    two.close()
    again = net.network.peers("two", "b")
    net.run(5)
    again.close()
    net.run(50)
    assert again.receive(9) == []
