"""The event loop a process of ours runs on: uvloop where there is one, else Python's own.

Every request of a client passes through the loop several times, and uvloop is several times as
quick about it. Programs that bring a loop of their own are served on that.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

R = TypeVar("R")


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Return a new loop, not yet anybody's."""
    try:
        import uvloop
    except ImportError:  # not made for this system or interpreter
        return asyncio.new_event_loop()
    made: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return made


def run(work: Coroutine[Any, Any, R]) -> R:
    """Run `work` on a new loop to its end, as asyncio.run does."""
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(work)
