"""How a recipe's command reaches the cluster: an asyncio client, closed at the end.

Signals unwind the command, so that what it holds is given back before it ends. Tests put another
way of connecting into click's context object.
"""

import asyncio
import functools
import signal
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any

import attrs
import click

from coord import aio
from coord.cli.arguments import SECONDS
from coord.cli.exits import ExitCode
from recipes.port import SessionStore

Command = Callable[..., Coroutine[Any, Any, None]]
_ENDED_BY = {signal.SIGINT: ExitCode.INTERRUPTED, signal.SIGTERM: ExitCode.TERMINATED}


def _connect(endpoints: str | None, timeout_ms: int) -> AbstractAsyncContextManager[SessionStore]:
    return aio.connect(endpoints, timeout_ms=timeout_ms)


@attrs.frozen
class AioConnector:
    """How clients are made."""

    connect: Callable[[str | None, int], AbstractAsyncContextManager[SessionStore]] = _connect


def with_aio_client(command: Command) -> Callable[..., int]:
    """Give a coroutine a connected client and the options that choose it, and run it."""

    @cluster_options
    @functools.wraps(command)
    def run(*args: Any, endpoints: str | None, timeout_ms: int, **kwargs: Any) -> int:
        async def connected() -> None:
            async with connecting(endpoints, timeout_ms) as client:
                await command(client, *args, **kwargs)

        return asyncio.run(_until_told(connected()))

    return run


def cluster_options(command: Callable[..., int]) -> Callable[..., int]:
    """Add the options that choose a cluster, handed over as `endpoints` and `timeout_ms`."""
    endpoints = click.option(
        "--endpoints",
        envvar="COORD_ENDPOINTS",
        metavar="ADDRESSES",
        help="Client addresses of some members. Default: COORD_ENDPOINTS, else this machine's own.",
    )
    timeout = click.option(
        "--timeout",
        "timeout_ms",
        type=SECONDS,
        default="10",
        show_default=True,
        help="Seconds a request may take, all attempts together.",
    )
    return endpoints(timeout(command))


def connecting(endpoints: str | None, timeout_ms: int) -> AbstractAsyncContextManager[SessionStore]:
    """Return a client to enter, made as the context of the running command says."""
    connector = click.get_current_context().find_object(AioConnector) or AioConnector()
    return connector.connect(endpoints, timeout_ms)


async def _until_told(work: Coroutine[Any, Any, None]) -> int:
    """Run `work`; a signal cancels it and decides the exit code."""
    loop = asyncio.get_running_loop()
    running = asyncio.ensure_future(work)
    told: list[signal.Signals] = []

    def end(number: signal.Signals) -> None:
        told.append(number)
        running.cancel()

    for number in _ENDED_BY:
        loop.add_signal_handler(number, end, number)
    try:
        await asyncio.wait((running,))
    finally:
        for number in _ENDED_BY:
            loop.remove_signal_handler(number)
    if told and running.cancelled():
        return _ENDED_BY[told[0]]
    running.result()
    return ExitCode.OK
