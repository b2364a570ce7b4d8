"""The ports of the message layer, and what they do not promise.

A message may be dropped, delayed or (between peers) reordered by reconnects; it is never altered,
never split and never delivered twice by the transport itself. Nothing here retries. Every queue
is bounded: when one is full the send says so and the caller decides.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol


class TransportError(Exception):
    """The transport was used wrongly or could not be set up (bad address, port taken)."""


class SendResult(Enum):
    """What became of a message handed to a client route."""

    SENT = "sent"  #: queued for the wire
    BUSY = "busy"  #: the receiver's queue is full; nothing was queued
    GONE = "gone"  #: no such connection any more


class LinkEvent(Enum):
    """What happened to a client's connection."""

    UP = "up"  #: connected and speaking this protocol; sends can work from here on
    DOWN = "down"  #: lost; whatever was in flight either way may be lost with it


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something that arrived and was turned away; one value is one line for a log.

    Exactly one of `route` and `remote` may be empty. A client route that is set can still be
    answered.
    """

    port: str
    """"peer" or "client": which of the node's ports it came to."""
    reason: str
    route: bytes = b""
    """The client connection, when it speaks this transport's protocol."""
    remote: str = ""
    """The address it came from, as far as the system tells."""
    unreported: int = 0
    """How many alike were turned away since the last report and not told one by one."""


OnRefused = Callable[[Refusal], None]
"""Told of each refusal on the thread that receives; must not raise or block."""


def ignore_refusal(_refusal: Refusal) -> None:
    """Stand in where nobody wants to know."""


class PeerTransport(Protocol):
    """One node's one-way messages to and from its peers."""

    def send(self, to: int, payload: bytes) -> bool:
        """Queue one message towards a peer; never blocks. False: dropped (queue full, unknown)."""
        ...

    def receive(self, max_messages: int) -> list[bytes]:
        """Take up to `max_messages` that have arrived; never blocks."""
        ...

    def set_peers(self, addresses: dict[int, str]) -> None:
        """Connect to exactly these peers (node id to address); others are disconnected."""
        ...

    def close(self) -> None:
        """Drop everything queued and release the addresses."""
        ...


class ClientListener(Protocol):
    """A node's side of its clients' connections.

    While a connection lives, its messages arrive in order and without gaps; when it ends, any
    suffix of what was sent may be lost. A client that connects again gets another route.
    """

    def receive(self, max_messages: int, max_bytes: int) -> list[tuple[bytes, bytes]]:
        """Take (route, payload) pairs that have arrived; never blocks."""
        ...

    def send(self, route: bytes, payload: bytes) -> SendResult:
        """Queue one message to a connected client; never blocks."""
        ...

    def flush(self) -> None:
        """Let what was sent leave before the caller goes on with something longer."""
        ...

    def close(self) -> None:
        """Stop listening; what is queued may still leave for a short while."""
        ...


class ClientChannel(Protocol):
    """A client's connection to one node; reconnects by itself, forgetting what was in flight.

    Order and gaps: as ClientListener says. Sends fail until the first LinkEvent.UP.
    """

    def send(self, payload: bytes) -> bool:
        """Queue one message; never blocks. False: the queue is full, nothing was queued."""
        ...

    def receive(self, max_messages: int) -> list[bytes]:
        """Take messages that have arrived; never blocks."""
        ...

    def pending(self) -> bool:
        """Whether something can be received now. To be asked after a send; see ZmqChannel."""
        ...

    def link_events(self) -> list[LinkEvent]:
        """Take what happened to the connection since last asked, in order; never blocks."""
        ...

    def close(self) -> None:
        """Close at once."""
        ...


class Dialer(Protocol):
    """Makes a client's connections."""

    def dial(self, address: str) -> ClientChannel:
        """Start connecting to a node; returns at once, LinkEvent.UP tells when it stands.

        Raises:
            TransportError: not an address.
        """
        ...

    def close(self) -> None:
        """Release what the connections share, and close those still open."""
        ...
