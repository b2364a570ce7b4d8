"""Declaring jobs, enqueuing them, and handles on them."""

import asyncio
import contextlib
from datetime import UTC, datetime
from typing import Any

import attrs
import msgspec
import pytest

from coord.errors import Misuse
from coord.requests import ClaimReply
from coord.testing.local import LocalCluster, in_loop, settle
from workers.app.app import App
from workers.app.call import Call
from workers.app.hooks import Hooks
from workers.app.load import load_app
from workers.errors import (
    AppNotFound,
    JobFailed,
    UnknownFunction,
    UnknownJob,
)
from workers.model.ending import Ending
from workers.model.ids import JobId
from workers.model.job import Backoff, Job, decode_job
from workers.model.states import State
from workers.steps.held import end_held
from workers.store.jobs import JobStore
from workers.testing.hand_timer import START_UNIX_MS, HandTimer

NOW = START_UNIX_MS


def app_on(cluster: LocalCluster, **options: Any) -> App:
    return App(
        timer=HandTimer(), connect=lambda: contextlib.nullcontext(cluster.client()), **options
    )


async def run_next(store: JobStore, queue: str, result: object, state: State = State.DONE) -> None:
    """End the next ready job as a worker does."""
    at = store.places.queue(queue)
    async with store.client.session() as session:
        claim: ClaimReply = await store.client.claim(at.ready, at.held_by("w"), session.lease)
        (kv,) = claim.kvs
        job = decode_job(kv.value)
        assert job is not None
        found = await store.list(queue, State.HELD)
        encoded = msgspec.Raw(msgspec.json.encode(result))
        ending = Ending(state, job.name, kv.create_revision, 1, result=encoded, cause="broke")
        move = end_held(store.places, found.jobs[0].id, job, "w", ending)
        assert (await store.client.txn(move.compare, move.ops)).succeeded


async def enqueued(app: App, call: Call[Any]) -> Job:
    """Enqueue and return what a worker would see."""
    found = await (await app.enqueue_async(call)).status()
    assert found.job is not None
    return found.job


def test_a_declared_function_can_still_be_called() -> None:
    app = App()

    @app.job
    def double(n: int) -> int:
        """Twice as much."""
        return 2 * n

    assert double(4) == 8
    assert (double.name, double.__doc__) == ("double", "Twice as much.")
    assert app.names == ("double",)


@in_loop
async def test_a_job_is_enqueued_with_its_options_and_read_back_through_its_handle() -> None:
    app = app_on(LocalCluster())

    @app.job(name="mail.send", queue="mail", attempts_max=3, backoff=Backoff(5), tags=("a",))
    def send(to: str, body: str = "") -> int:
        return len(to + body)

    handle = await send.enqueue_async("ann", body="x")
    found = await handle.status()
    assert found.state is State.READY
    assert handle.id.queue == "mail"
    assert found.job == Job(
        "mail.send",
        {"to": "ann", "body": "x"},
        ("a",),
        created_unix_ms=NOW,
        attempts_max=3,
        backoff=Backoff(5),
    )


@in_loop
async def test_a_result_is_awaited_by_watch_and_comes_as_the_function_is_annotated() -> None:
    @attrs.frozen
    class Sent:
        to: str
        at: datetime

    app = app_on(LocalCluster())
    at = datetime(2026, 1, 2, tzinfo=UTC)

    @app.job(queue="mail")
    def send(to: str) -> Sent:
        return Sent(to, at)

    handle = await send.enqueue_async("ann")
    waiting = asyncio.create_task(handle.result(timeout_s=60))
    await settle()
    assert not waiting.done()
    await run_next(await app.store(), "mail", {"to": "ann", "at": "2026-01-02T00:00:00Z"})
    assert await waiting == Sent("ann", at)
    assert (await handle.status()).state is State.DONE


@in_loop
async def test_a_result_that_no_longer_fits_its_annotation_comes_in_plain_form() -> None:
    app = app_on(LocalCluster())

    @app.job(queue="mail")
    def send() -> int:
        return 1

    handle = await send.enqueue_async()
    await run_next(await app.store(), "mail", ["not", "a", "number"])
    result: object = await handle.result()
    assert result == ["not", "a", "number"]


@in_loop
async def test_who_waits_for_a_job_that_fails_is_told_how_it_ended() -> None:
    app = app_on(LocalCluster())

    @app.job(queue="mail")
    def send() -> None: ...

    handle = await send.enqueue_async()
    await run_next(await app.store(), "mail", None, State.DEAD)
    with pytest.raises(JobFailed, match="ended dead at attempt 1: broke") as caught:
        await handle.result()
    assert (caught.value.job_id, caught.value.ending.state) == (handle.id, State.DEAD)


def test_what_a_job_raised_is_told_in_one_line_with_its_traceback_as_a_note() -> None:
    job_id = JobId("mail", "5" + "0" * 20)
    error = JobFailed(job_id, Ending(State.DEAD, "send", cause="Traceback\nValueError: bad"))
    assert str(error) == f"job {job_id} ended dead: ValueError: bad"
    assert error.__notes__ == ["Traceback\nValueError: bad"]
    assert "no cause" in str(JobFailed(job_id, Ending(State.EXPIRED, "send")))


@in_loop
async def test_waiting_gives_up_in_time_and_the_job_goes_on() -> None:
    app = app_on(LocalCluster())

    @app.job
    def send() -> None: ...

    handle = await send.enqueue_async()
    with pytest.raises(TimeoutError, match=str(handle.id)):
        await handle.result(timeout_s=0.001)
    assert (await handle.status()).state is State.READY


@in_loop
async def test_a_handle_cancels_and_knows_no_progress_of_what_does_not_run() -> None:
    app = app_on(LocalCluster())

    @app.job
    def send() -> None: ...

    handle = await send.enqueue_async()
    assert await handle.progress() is None
    await (await app.store()).client.put(app.places.progress + str(handle.id).encode(), "rubbish")
    assert await handle.progress() is None
    report = msgspec.json.encode({"done": 3, "total": 4})
    await (await app.store()).client.put(app.places.progress + str(handle.id).encode(), report)
    progress = await handle.progress()
    assert progress is not None
    assert (progress.done, progress.total) == (3, 4)
    assert await handle.cancel("no") is State.CANCELLED
    unknown = await app.handle_async("mail:4" + "0" * 20)
    with pytest.raises(UnknownJob):
        await unknown.status()


@in_loop
async def test_many_calls_are_enqueued_at_once_in_their_order() -> None:
    cluster = LocalCluster()
    app = app_on(cluster)

    @app.job
    def work(n: int) -> int:
        return n

    handles = await app.enqueue_many_async([work.call(n) for n in range(100)])
    assert len(cluster.applied) == 1
    assert [(await handle.status()).job.args["n"] for handle in handles[:3]] == [0, 1, 2]  # type: ignore[union-attr]


def test_programs_without_an_event_loop_have_the_same_by_blocking() -> None:
    cluster = LocalCluster()
    with app_on(cluster) as app:

        @app.job
        def work(n: int) -> int:
            return n

        handle = work.enqueue(3)
        assert handle.status().state is State.READY
        assert app.jobs.counts("default")[State.READY] == 1
        app.wait(run_end(app))
        assert handle.result(timeout_s=60) == 9
        assert handle.wait().state is State.DONE
        assert app.handle(str(handle.id)).result() == 9
        (second,) = app.enqueue_many([work.call(4)])
        assert second.progress() is None
        assert second.cancel() is State.CANCELLED


async def run_end(app: App) -> None:
    await run_next(await app.store(), "default", 9)


@in_loop
async def test_a_client_that_cannot_be_made_is_tried_again_the_next_time() -> None:
    cluster = LocalCluster()
    fails = [False, True]

    def connect() -> Any:
        if fails.pop():
            raise ConnectionRefusedError
        return contextlib.nullcontext(cluster.client())

    app = App(connect=connect)
    with pytest.raises(ConnectionRefusedError):
        await app.store()
    async with app:
        assert await (await app.store()).queues() == []


@in_loop
async def test_hooks_see_every_call_before_it_is_enqueued_and_may_change_or_refuse_it() -> None:
    class Stamped(Hooks):
        def before_enqueue(self, call: Call[object]) -> Call[object]:
            if call.args == {"n": 13}:
                raise ValueError("unlucky")
            return attrs.evolve(call, options=call.options.changed({"tags": ("stamped",)}))

    cluster = LocalCluster()
    app = app_on(cluster, hooks=[Stamped()])

    @app.job
    def work(n: int) -> None: ...

    assert (await enqueued(app, work.call(1))).tags == ("stamped",)
    with pytest.raises(ValueError, match="unlucky"):
        await app.enqueue_many_async([work.call(12), work.call(13)])
    assert (await (await app.store()).counts("default"))[State.READY] == 1


def test_what_cannot_be_declared_is_misuse() -> None:
    app = App()

    def work() -> None: ...

    async def wait() -> None: ...

    def many(*items: int) -> None: ...

    app.job(work)
    for bad in (
        lambda: app.job(work),
        lambda: app.job(name="a/b")(work),
        lambda: app.job(many),
        lambda: app.job(name="x", run_in="loop")(work),
        lambda: app.job(name="x", run_in="child")(wait),
        lambda: app.job(name="x", run_in="moon")(work),  # type: ignore[call-overload]
        lambda: app.job(name="x", queue="")(work),
    ):
        with pytest.raises(Misuse):
            bad()
    assert app.names == ("work",)


def test_an_unknown_job_is_refused_with_the_names_there_are() -> None:
    app = App()

    @app.job
    def work() -> None: ...

    assert app.job_type("work") is work
    with pytest.raises(UnknownFunction, match="no job named 'wrok'; there are: work"):
        app.job_type("wrok")


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("nothing", "not of the form"),
        ("no.such.module:app", "No module named"),
        ("workers.app.load:load_app", "'load_app' is no App"),
        ("workers.app.load:nothing", "'nothing' is no App"),
    ],
)
def test_an_application_that_is_not_there_is_told_with_the_cause(path: str, why: str) -> None:
    with pytest.raises(AppNotFound, match=why):
        load_app(path)
