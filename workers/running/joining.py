"""Starting a task in a group that may be ending because something else in it has failed."""

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

T = TypeVar("T")


def join(group: asyncio.TaskGroup, work: Coroutine[object, object, T]) -> asyncio.Task[T] | None:
    """Start a task in a group, or drop the work and return None where the group is ending.

    A callback may run between the failure of one task and the end of the others; what it would
    start then is of no use to anybody.
    """
    try:
        return group.create_task(work)
    except RuntimeError:
        work.close()
        return None
