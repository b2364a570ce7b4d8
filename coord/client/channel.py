"""The connections the asyncio shell needs: client channels that an event loop can wait on."""

from typing import Protocol

from coord import limits
from transport.base import ClientChannel


class LoopChannel(ClientChannel, Protocol):
    """A connection to one node with descriptors for an event loop.

    They may signal a change only once: after each wake, and after each send that leaves
    `pending()`, `receive` and `link_events` must be read until they are empty.
    """

    def filenos(self) -> tuple[int, ...]:
        """Return the descriptors that become readable."""
        ...


class LoopDialer(Protocol):
    """Makes such connections."""

    def dial(self, address: str) -> LoopChannel:
        """Start connecting; TransportError when it is no address."""
        ...

    def close(self) -> None:
        """Close every connection."""
        ...


def zeromq_dialer() -> LoopDialer:
    """Open ZeroMQ, with room for the largest frames either way."""
    # Imported here: clients under a simulator need neither sockets nor the library.
    from transport.settings import LinkSettings
    from transport.zeromq_channel import ZmqDialer

    return ZmqDialer(
        LinkSettings(
            queue_messages=limits.CLIENT_QUEUE_MESSAGES,
            receive_bytes_max=2 * limits.REPLY_BYTES_MAX,
            send_bytes_max=limits.FRAME_BYTES_MAX,
        )
    )
