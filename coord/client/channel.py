"""The connections the asyncio shell needs: client channels that an event loop can wait on."""

from typing import TYPE_CHECKING, Protocol

from coord import limits
from transport.base import ClientChannel

if TYPE_CHECKING:
    from transport.settings import LinkSettings


class LoopChannel(ClientChannel, Protocol):
    """A connection to one node with descriptors for an event loop.

    Where they signal a change only once, `receive` and `link_events` must be read until they are
    empty after each wake, and after each send that leaves `pending()`.
    """

    signals_once: bool
    """Whether they do."""

    @property
    def due_ms(self) -> float:
        """When `link_events` has something to do even if nothing signals, in monotonic ms."""
        ...

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


def new_dialer() -> LoopDialer:
    """Open what carries a client's messages: on its own event loop where that can be.

    Elsewhere, as on systems without epoll, libzmq does it, on a thread of its own.
    """
    # Imported here: clients under a simulator need neither sockets nor the library.
    from transport.zmtp_channel import ZmtpDialer, is_possible

    return ZmtpDialer(_link_settings()) if is_possible() else libzmq_dialer()


def libzmq_dialer() -> LoopDialer:
    """Open libzmq; for programs whose event loop may stand still for many seconds."""
    from transport.zeromq_channel import ZmqDialer

    return ZmqDialer(_link_settings())


def _link_settings() -> "LinkSettings":
    """Return bounds with room for the largest frames either way."""
    from transport.settings import LinkSettings

    return LinkSettings(
        queue_messages=limits.CLIENT_QUEUE_MESSAGES,
        receive_bytes_max=2 * limits.REPLY_BYTES_MAX,
        send_bytes_max=limits.FRAME_BYTES_MAX,
    )
