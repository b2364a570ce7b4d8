"""Work for a group that is ending is dropped; nobody is told of it but who asked."""

import asyncio

import pytest

from coord.testing.local import in_loop
from workers.running.joining import join


class _Failed(Exception):
    """On purpose."""


@in_loop
async def test_work_for_a_living_group_is_started() -> None:
    done = asyncio.Event()

    async def work() -> None:
        done.set()

    async with asyncio.TaskGroup() as group:
        task = join(group, work())
        assert task is not None
    assert done.is_set()


@in_loop
async def test_a_group_in_which_something_failed_is_given_no_more_work() -> None:
    dropped: list[object] = []

    async def fail() -> None:
        raise _Failed

    async def work() -> None:
        raise AssertionError("it was started")

    async def linger(group: asyncio.TaskGroup) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            dropped.append(join(group, work()))

    async def together() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(linger(group))
            group.create_task(fail())

    with pytest.raises(BaseExceptionGroup) as failures:
        await together()
    assert dropped == [None]
    assert failures.value.subgroup(_Failed) is not None
