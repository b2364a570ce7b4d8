"""A relay in front of a TCP port that can be cut: nothing gets through, and nobody is told.

What a partition looks like from outside: connections stay open, bytes sent meanwhile arrive after
the healing, connections made meanwhile get no answer. Part of a test's own event loop.

    async with Relay("tcp://127.0.0.1:7412") as relay:
        ... connect to relay.address ...
        relay.cut()
"""

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Self

_READ_BYTES = 65_536


class Relay:
    """One listening port whose connections are carried on to another.

    Attributes:
        target: address of what is behind it, tcp://host:port.
        address: where to connect instead; known once entered.
    """

    def __init__(self, target: str) -> None:
        self.target = target
        self.address = ""
        self._whole = asyncio.Event()
        self._whole.set()
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()
        self.address = f"tcp://{host}:{port}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()

    def cut(self) -> None:
        """Let nothing through from now on, in either direction."""
        self._whole.clear()

    def heal(self) -> None:
        """Let everything through again, what was sent meanwhile first."""
        self._whole.set()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.create_task(self._carry(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _carry(self, near: asyncio.StreamReader, to_near: asyncio.StreamWriter) -> None:
        to_far: asyncio.StreamWriter | None = None
        try:
            await self._whole.wait()
            host, _, port = self.target.removeprefix("tcp://").rpartition(":")
            far, to_far = await asyncio.open_connection(host, int(port))
            ways = [
                asyncio.create_task(self._copy(near, to_far)),
                asyncio.create_task(self._copy(far, to_near)),
            ]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
        except OSError:
            return  # nobody is behind it: the near end is closed, as it would be there
        finally:
            to_near.close()
            if to_far is not None:
                to_far.close()

    async def _copy(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(_READ_BYTES):
                await self._whole.wait()
                target.write(data)
                await target.drain()
