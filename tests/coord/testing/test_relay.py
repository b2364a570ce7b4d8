"""The relay carries bytes both ways, holds them while it is cut, and passes an end on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from coord.testing.local import in_loop
from coord.testing.relay import Relay


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1000):
        writer.write(data.upper())
        await writer.drain()
    writer.close()


@asynccontextmanager
async def relayed() -> AsyncIterator[Relay]:
    """Run something that answers, and a relay before it."""
    server = await asyncio.start_server(_echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, Relay(f"tcp://127.0.0.1:{port}") as relay:
        yield relay


async def connected(relay: Relay) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", int(relay.address.rpartition(":")[2]))


async def gets_nothing(reader: asyncio.StreamReader) -> bool:
    try:
        async with asyncio.timeout(0.05):
            return not await reader.read(100)
    except TimeoutError:
        return True


@in_loop
async def test_what_is_sent_comes_back_through_a_whole_relay() -> None:
    async with relayed() as relay:
        reader, writer = await connected(relay)
        writer.write(b"abc")
        assert await reader.readexactly(3) == b"ABC"
        writer.close()


@in_loop
async def test_what_is_sent_while_it_is_cut_arrives_after_the_healing() -> None:
    async with relayed() as relay:
        reader, writer = await connected(relay)
        relay.cut()
        writer.write(b"abc")
        assert await gets_nothing(reader)
        relay.heal()
        assert await reader.readexactly(3) == b"ABC"
        writer.close()


@in_loop
async def test_a_connection_made_while_it_is_cut_stands_and_is_silent_until_the_healing() -> None:
    async with relayed() as relay:
        relay.cut()
        reader, writer = await connected(relay)
        writer.write(b"abc")
        assert await gets_nothing(reader)
        relay.heal()
        assert await reader.readexactly(3) == b"ABC"
        writer.close()


@in_loop
async def test_with_nobody_behind_it_a_connection_is_closed() -> None:
    server = await asyncio.start_server(_echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    async with Relay(f"tcp://127.0.0.1:{port}") as relay:
        reader, writer = await connected(relay)
        assert await reader.read() == b""
        writer.close()
