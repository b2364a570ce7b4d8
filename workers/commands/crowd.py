"""Doing the same with many jobs, some at a time, results in the order given."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

AT_ONCE = 64


async def with_each(items: Sequence[T], work: Callable[[T], Awaitable[R]]) -> list[R]:
    """Return what `work` made of each item.

    Raises:
        Exception: the first that `work` raised; what was begun with it is finished, no more begun.
    """
    results: list[R] = []
    for start in range(0, len(items), AT_ONCE):
        begun = [asyncio.ensure_future(work(item)) for item in items[start : start + AT_ONCE]]
        await asyncio.wait(begun)
        results += [each.result() for each in begun]
    return results
