"""The connection the asyncio shell needs: a ClientChannel that an event loop can wait on."""

from typing import Protocol

from transport.base import ClientChannel


class Channel(ClientChannel, Protocol):
    """A connection to one node that also tells when it came and went."""

    def fileno(self) -> int:
        """Return a descriptor that turns readable when `receive` or `notices` may have news.

        It may signal a change only once: after each wake, and after each `send`, both must be
        read until they are empty.
        """
        ...


def dial_zeromq(address: str) -> Channel:
    """Open a ZeroMQ channel to `address`."""
    raise NotImplementedError
