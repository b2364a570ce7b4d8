"""One world per implementation of the transport, with the same few handles."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Protocol, TypeVar

import pytest

from coord.testing.schedule import Schedule
from transport.base import ClientListener, Dialer, PeerTransport
from transport.memory import MemoryNetwork
from transport.settings import LinkSettings
from transport.zeromq_channel import ZmqDialer
from transport.zmtp import NodeTransport, open_node_transport
from transport.zmtp_channel import ZmtpDialer

T = TypeVar("T")

PATIENCE_S = 5.0
SETTINGS = LinkSettings(
    queue_messages=8,
    receive_bytes_max=200_000,
    send_bytes_max=200_000,
    heartbeat_ms=100,
    heartbeat_timeout_ms=500,
    reconnect_ms=10,
    reconnect_ms_max=50,
)


class Taken(list[T]):
    """What has been received so far."""

    def take(self, batch: list[T]) -> "Taken[T]":
        """Add a batch and return everything."""
        self.extend(batch)
        return self


class World(Protocol):
    """What the contract suite needs of an implementation."""

    def open_node(self, name: str) -> tuple[PeerTransport, ClientListener]: ...
    def close_node(self, name: str) -> None: ...
    def peer_address(self, name: str) -> str: ...
    def client_address(self, name: str) -> str: ...
    def dialer(self) -> Dialer: ...
    def slow_dialer(self) -> Dialer:
        """Return one whose channels take in no more than a few messages unasked."""
        ...

    def settle(self, reached: Callable[[], bool]) -> None:
        """Let time pass until `reached`, or fail."""
        ...


class MemoryWorld:
    """All in one thread, on virtual time."""

    def __init__(self) -> None:
        self._schedule = Schedule(seed=1)
        self._network = MemoryNetwork(
            self._schedule, Random(1), peer_settings=SETTINGS, client_settings=SETTINGS
        )
        self._nodes: dict[str, tuple[PeerTransport, ClientListener]] = {}

    def open_node(self, name: str) -> tuple[PeerTransport, ClientListener]:
        peers = self._network.peers(name, self.peer_address(name))
        listener = self._network.listener(name, self.client_address(name))
        self._nodes[name] = peers, listener
        return peers, listener

    def close_node(self, name: str) -> None:
        for part in self._nodes.pop(name):
            part.close()

    def peer_address(self, name: str) -> str:
        return f"{name}/peer"

    def client_address(self, name: str) -> str:
        return f"{name}/client"

    def dialer(self) -> Dialer:
        return self._network.dialer("laptop")

    def slow_dialer(self) -> Dialer:
        return self.dialer()

    def settle(self, reached: Callable[[], bool]) -> None:
        end_ms = self._schedule.now_ms + 1000 * PATIENCE_S
        while not reached():
            assert self._schedule.now_ms < end_ms, "not reached"
            self._schedule.step(self._schedule.now_ms + 1.0)

    def close(self) -> None:
        pass


class SocketWorld:
    """Real sockets, on local paths so that no port can be taken by somebody else."""

    def __init__(self, folder: Path, make_dialer: Callable[[LinkSettings], Dialer]) -> None:
        self._folder = folder
        self._make_dialer = make_dialer
        self._nodes: dict[str, NodeTransport] = {}
        self._dialers: list[Dialer] = []

    def open_node(self, name: str) -> tuple[PeerTransport, ClientListener]:
        opened = open_node_transport(
            self.peer_address(name),
            self.client_address(name),
            peer_settings=SETTINGS,
            client_settings=SETTINGS,
        )
        self._nodes[name] = opened
        return opened.peers, opened.listener

    def close_node(self, name: str) -> None:
        self._nodes.pop(name).close()

    def peer_address(self, name: str) -> str:
        return f"ipc://{self._folder}/{name}-peer"

    def client_address(self, name: str) -> str:
        return f"ipc://{self._folder}/{name}-client"

    def dialer(self) -> Dialer:
        self._dialers.append(self._make_dialer(SETTINGS))
        return self._dialers[-1]

    def slow_dialer(self) -> Dialer:
        self._dialers.append(self._make_dialer(replace(SETTINGS, unread_messages=8)))
        return self._dialers[-1]

    def settle(self, reached: Callable[[], bool]) -> None:
        end_s = time.monotonic() + PATIENCE_S
        while not reached():
            assert time.monotonic() < end_s, "not reached"
            for node in self._nodes.values():
                node.poller.wait(1)

    def close(self) -> None:
        for dialer in self._dialers:
            dialer.close()
        for name in list(self._nodes):
            self.close_node(name)


DIALERS: dict[str, Callable[[LinkSettings], Dialer]] = {"zmtp": ZmtpDialer, "libzmq": ZmqDialer}


@pytest.fixture(params=[*DIALERS, "memory"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    make_dialer = DIALERS.get(request.param)
    made = SocketWorld(tmp_path, make_dialer) if make_dialer else MemoryWorld()
    yield made
    made.close()
