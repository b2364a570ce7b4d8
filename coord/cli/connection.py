"""How a client command reaches the cluster: shared options, one client, closed at the end.

A command decorated with `with_client` takes the client as its first argument. Tests put another
way of connecting into click's context object.
"""

import functools
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import attrs
import click

import coord
from coord.cli.arguments import SECONDS
from coord.cli.exits import ExitCode

Command = Callable[..., int | None]


def _connect(endpoints: str | None, timeout_ms: int) -> coord.Client:
    return coord.connect(endpoints, timeout_ms=timeout_ms)


@attrs.frozen
class Connector:
    """How clients are made."""

    connect: Callable[[str | None, int], coord.Client] = _connect


def with_client(command: Command) -> Command:
    """Give a command a connected client, and the options that choose it."""

    @click.option(
        "--endpoints",
        envvar="COORD_ENDPOINTS",
        metavar="ADDRESSES",
        help="Client addresses of some members: tcp://host:port,tcp://host:port. "
        "Default: COORD_ENDPOINTS, else this machine's own embedded store.",
    )
    @click.option(
        "--timeout",
        "timeout_ms",
        type=SECONDS,
        default="10",
        show_default=True,
        help="Seconds a request may take, all attempts together.",
    )
    @functools.wraps(command)
    def run(*args: Any, endpoints: str | None, timeout_ms: int, **kwargs: Any) -> int | None:
        connector = click.get_current_context().find_object(Connector) or Connector()
        with _ended_by_term(), connector.connect(endpoints, timeout_ms) as client:
            return command(client, *args, **kwargs)

    return run


@contextmanager
def _ended_by_term() -> Iterator[None]:
    """Let TERM unwind the command like Ctrl-C, so that the client is closed properly."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: FrameType | None) -> None:
        sys.exit(ExitCode.TERMINATED)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
