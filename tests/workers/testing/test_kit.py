"""The test kit: an application's jobs run here, in a world of its own."""

import asyncio
import logging
import threading

import pytest

from coord.errors import Misuse
from tests.workers.testing.conftest import Shop
from workers import App, Context, Hooks, JobFailed, Retry, Snooze, State, UnknownFunction
from workers.testing.kit import Kit, StillRunning, Stuck
from workers.timer import WallTimer


def test_a_job_waits_until_the_kit_runs(shop: Shop) -> None:
    with Kit(shop.app) as kit:
        handle = shop.app.job_type("send").enqueue("ann")
        assert handle.status().state is State.READY
        assert kit.counts("mail")[State.READY] == 1
        kit.run()
        assert shop.did == ["ann"]
        assert handle.status().state is State.DONE
        assert [job.name for job in kit.jobs(state=State.DONE)] == ["send"]


def test_enqueuing_runs_nothing_however_much_it_is(shop: Shop) -> None:
    send = shop.app.job_type("send")
    with Kit(shop.app) as kit:
        shop.app.enqueue_many(send.call(str(number)) for number in range(2_000))
        assert shop.did == []
        kit.run()
        assert len(shop.did) == 2_000


def test_asking_for_a_result_runs_what_can_run(shop: Shop) -> None:
    with Kit(shop.app):
        assert shop.app.job_type("send").enqueue("ann").result() == "sent to ann"


def test_a_result_that_needs_time_says_so(shop: Shop) -> None:
    with Kit(shop.app) as kit:
        handle = shop.app.job_type("send").options(delay_ms=60_000).enqueue("ann")
        with pytest.raises(Stuck, match="time has to pass"):
            handle.result()
        kit.advance(seconds=59, ms=999)
        assert handle.status().state is State.LATER
        kit.advance(ms=1)
        assert handle.result() == "sent to ann"


def test_jobs_run_on_the_thread_of_the_test_and_may_use_loops_of_their_own(shop: Shop) -> None:
    where: list[int] = []

    @shop.app.job(run_in="thread")
    def here() -> int:
        async def look() -> None:
            where.append(threading.get_ident())

        asyncio.run(look())
        return threading.active_count()

    before = threading.active_count()
    with Kit(shop.app):
        assert here.enqueue().result() == before
    assert where == [threading.get_ident()]


def test_a_failed_attempt_is_tried_again_after_its_full_backoff(shop: Shop) -> None:
    with Kit(shop.app) as kit:
        kit.fail_next("send", ConnectionError("provider is down"), times=2)
        handle = shop.app.job_type("send").enqueue("ann")
        kit.run()
        assert handle.status().state is State.LATER
        kit.advance(ms=999)
        assert handle.status().state is State.LATER
        kit.advance(ms=1)
        assert handle.status().attempt == 2
        kit.advance(seconds=2)
        assert handle.result() == "sent to ann"
        causes = [attempt.cause.rpartition("\n")[2] for attempt in handle.wait().history]
        assert causes == ["ConnectionError: provider is down"] * 2


def test_a_job_that_fails_for_good_is_dead_and_can_be_replayed(shop: Shop) -> None:
    with Kit(shop.app) as kit:
        kit.fail_next("send", ValueError("no such letter"))
        handle = shop.app.job_type("send").options(attempts_max=1).enqueue("ann")
        with pytest.raises(JobFailed, match="no such letter"):
            handle.result()
        assert kit.counts()[State.DEAD] == 1
        shop.app.jobs.replay(handle.id)
        assert handle.result() == "sent to ann"


def test_what_failed_is_said_to_logging_and_not_printed(
    shop: Shop, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with Kit(shop.app) as kit, caplog.at_level(logging.WARNING):
        kit.fail_next("send", ValueError("no such letter"))
        shop.app.job_type("send").enqueue("ann")
        kit.run()
    assert "no such letter" in caplog.text
    assert capsys.readouterr().out == ""


def test_only_jobs_there_are_can_be_told_to_fail(shop: Shop) -> None:
    with Kit(shop.app) as kit, pytest.raises(UnknownFunction, match="sned"):
        kit.fail_next("sned", ValueError())


def test_a_job_says_itself_when_to_go_on(shop: Shop) -> None:
    turns: list[int] = []

    @shop.app.job
    def picky(ctx: Context) -> int:
        turns.append(ctx.attempt)
        if len(turns) == 1:
            raise Snooze(5_000)
        if len(turns) == 2:
            raise Retry(after_ms=7_000)
        return len(turns)

    with Kit(shop.app) as kit:
        handle = picky.enqueue()
        kit.run()
        kit.advance(seconds=5)
        assert turns == [1, 1]
        kit.advance(seconds=7)
        assert turns == [1, 1, 2]
        assert handle.result() == 3


def test_jobs_enqueue_spawn_and_wait_for_others(shop: Shop) -> None:
    send = shop.app.job_type("send")

    @shop.app.job
    def outer(ctx: Context) -> str:
        ctx.spawn(send.call("spawned"))
        inner = send.enqueue("waited for")
        result: str = inner.result()
        return result

    with Kit(shop.app) as kit:
        assert outer.enqueue().result() == "sent to waited for"
        kit.run()
        assert shop.did == ["waited for", "spawned"]


def test_a_job_that_waits_for_what_cannot_come_fails(shop: Shop) -> None:
    send = shop.app.job_type("send")

    @shop.app.job(attempts_max=1)
    def outer() -> str:
        result: str = send.options(delay_ms=1_000).enqueue("ann").result()
        return result

    with Kit(shop.app), pytest.raises(JobFailed, match="Stuck"):
        outer.enqueue().result()


def test_coroutines_run_side_by_side(shop: Shop) -> None:
    arrived = asyncio.Event()

    @shop.app.job(priority=9)
    async def waits() -> str:
        await arrived.wait()
        return "heard"

    @shop.app.job
    async def tells() -> None:
        arrived.set()

    with Kit(shop.app):
        first, second = waits.enqueue(), tells.enqueue()
        assert first.result() == "heard"
        assert second.result() is None


def test_a_coroutine_that_goes_on_for_ever_is_named(shop: Shop) -> None:
    @shop.app.job
    async def endless() -> None:
        await asyncio.Event().wait()

    with Kit(shop.app, patience_s=0.01) as kit:
        handle = endless.enqueue()
        with pytest.raises(StillRunning, match="endless"):
            kit.run()
        assert handle.status().state is State.READY


def test_a_coroutine_must_not_block_the_loop(shop: Shop) -> None:
    send = shop.app.job_type("send")

    @shop.app.job(attempts_max=1)
    async def blocks() -> None:
        send.enqueue("ann")

    with Kit(shop.app), pytest.raises(JobFailed, match="_async"):
        blocks.enqueue().result()


def test_hooks_are_called_where_the_job_runs() -> None:
    seen: list[str] = []

    class Noting(Hooks):
        def after_end(self, context: Context, error: BaseException | None) -> None:
            seen.append(f"{context.name} {error}")

    app = App(hooks=[Noting()])

    @app.job
    def work() -> None:
        """Do nothing."""

    with Kit(app):
        work.enqueue().result()
    assert seen == ["work None"]


def test_the_application_is_given_back(shop: Shop) -> None:
    with Kit(shop.app):
        assert not isinstance(shop.app.timer, WallTimer)
    assert isinstance(shop.app.timer, WallTimer)


def test_each_kit_is_a_world_of_its_own(shop: Shop) -> None:
    with Kit(shop.app):
        shop.app.job_type("send").enqueue("ann")
    with Kit(shop.app) as kit:
        kit.run()
        assert kit.jobs() == []


def test_what_is_left_of_a_kit_after_its_block_refuses_and_does_not_wait(shop: Shop) -> None:
    with Kit(shop.app) as kit:
        handle = shop.app.job_type("send").enqueue("ann")
    for use in (handle.status, handle.result, kit.run, lambda: kit.advance(ms=1), kit.jobs):
        with pytest.raises(Misuse, match="the test kit is closed"):
            use()
    shop.app.close()  # the handle asked by the application's own thread


@pytest.mark.parametrize("limit", ["soft", "hard"])
def test_a_coroutine_beyond_its_limit_of_real_time_is_ended(shop: Shop, limit: str) -> None:
    soft_ms, hard_ms = (10, 0) if limit == "soft" else (0, 10)

    @shop.app.job(attempts_max=1, soft_limit_ms=soft_ms, hard_limit_ms=hard_ms)
    async def endless() -> None:
        await asyncio.Event().wait()

    with Kit(shop.app):
        with pytest.raises(JobFailed, match="10 ms exceeded"):
            endless.enqueue().result()
        assert shop.app.job_type("send").enqueue("after that").result() == "sent to after that"
