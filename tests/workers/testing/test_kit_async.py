"""The test kit for tests with an event loop."""

import asyncio
import threading

import pytest

from coord.errors import Misuse
from coord.testing.local import in_loop
from tests.workers.testing.conftest import Shop
from workers import App, Context, State
from workers.testing.kit import AsyncKit, Kit


@in_loop
async def test_a_job_that_runs_can_be_cancelled() -> None:
    app, started = App(), asyncio.Event()

    @app.job
    async def endless() -> None:
        started.set()
        await asyncio.Event().wait()

    async with AsyncKit(app) as kit:
        handle = await endless.enqueue_async()
        running = asyncio.create_task(kit.run())
        await started.wait()
        await handle.cancel("enough")
        await running
        assert (await handle.wait()).cause == "enough"
        assert (await kit.counts())[State.CANCELLED] == 1


@in_loop
async def test_a_test_with_a_loop_does_the_same() -> None:
    shop = Shop()

    @shop.app.job
    async def send(ctx: Context, to: str) -> str:
        arrived = asyncio.Event()
        asyncio.get_running_loop().call_later(0.001, arrived.set)
        await arrived.wait()
        shop.did.append(to)
        return f"sent to {to}"

    async with AsyncKit(shop.app) as kit:
        kit.fail_next("send", ValueError())
        handle = await send.enqueue_async("ann")
        await kit.run()
        assert (await kit.counts())[State.LATER] == 1
        await kit.advance(seconds=1)
        assert await handle.result() == "sent to ann"
        assert [job.state for job in await kit.jobs()] == [State.DONE]


@in_loop
async def test_functions_run_in_threads_beside_a_loop_and_may_block() -> None:
    app = App()

    @app.job
    def inner() -> int:
        return threading.get_ident()

    @app.job(run_in="thread")
    def outer() -> int:
        return inner.enqueue().result(timeout_s=5)

    async with AsyncKit(app) as kit:
        handle = await outer.enqueue_async()
        await kit.run()
        assert await handle.result() != threading.get_ident()
        with pytest.raises(Misuse, match="_async"):
            inner.enqueue()


@in_loop
async def test_a_test_with_a_loop_is_told_that_it_wants_the_other_kit() -> None:
    with pytest.raises(Misuse, match="event loop"):
        Kit(App()).__enter__()
