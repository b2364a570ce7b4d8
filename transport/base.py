"""The ports of the message layer, and what they do not promise.

A message may be dropped, delayed or (between peers) reordered by reconnects; it is never altered,
never split and never delivered twice by the transport itself. Nothing here retries. Every queue
is bounded: when one is full the send says so and the caller decides.
"""

from enum import Enum
from typing import Protocol


class TransportError(Exception):
    """The transport was used wrongly or could not be set up (bad address, port taken)."""


class SendResult(Enum):
    """What became of a message handed to a client route."""

    SENT = "sent"  #: queued for the wire
    BUSY = "busy"  #: the receiver's queue is full; nothing was queued
    GONE = "gone"  #: no such connection any more


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
    """A node's side of its clients' connections."""

    def receive(self, max_messages: int, max_bytes: int) -> list[tuple[bytes, bytes]]:
        """Take (route, payload) pairs that have arrived; never blocks."""
        ...

    def send(self, route: bytes, payload: bytes) -> SendResult:
        """Queue one message to a connected client; never blocks."""
        ...

    def close(self) -> None:
        """Stop listening; what is queued may still leave for a short while."""
        ...


class ClientChannel(Protocol):
    """A client's connection to one node; reconnects by itself, forgetting what was in flight."""

    def send(self, payload: bytes) -> bool:
        """Queue one message; never blocks. False: the queue is full, nothing was queued."""
        ...

    def receive(self, max_messages: int) -> list[bytes]:
        """Take messages that have arrived; never blocks."""
        ...

    def close(self) -> None:
        """Close at once."""
        ...
