"""A job function as whoever runs it calls it: context, hooks, spawning."""

import asyncio
import contextlib
import logging
from collections.abc import Coroutine, Iterator
from typing import Any

import attrs
import pytest

from coord.errors import Misuse
from workers.app.app import App
from workers.app.context import Context
from workers.app.hooks import Hooks
from workers.app.options import Unique
from workers.app.running import Runnable
from workers.errors import BadArguments
from workers.model.job import Job
from workers.running.context import CancelFlag
from workers.testing.hand_timer import START_UNIX_MS, HandTimer


@attrs.define
class Attempt:
    """Stands in for whoever runs jobs."""

    id: str = "mail:5" + "0" * 20
    name: str = "work"
    queue: str = "mail"
    attempt: int = 2
    tags: tuple[str, ...] = ("a",)
    deadline_unix_ms: int = 7
    cancelled: CancelFlag = attrs.field(factory=CancelFlag)
    reports: list[tuple[int, int, str]] = attrs.field(factory=list)
    spawned: list[tuple[str, int, Job]] = attrs.field(factory=list)

    def progress(self, done: int, total: int = 0, message: str = "") -> None:
        self.reports.append((done, total, message))

    def enqueue_when_done(self, queue: str, priority: int, job: Job, stage: str = "") -> None:
        self.spawned.append((queue, priority, job))


class Told(Hooks):
    """Writes down when it is called; fails where it is told to."""

    def __init__(self, name: str, told: list[str], fails_in: str = "") -> None:
        self._name, self._told, self._fails_in = name, told, fails_in

    @contextlib.contextmanager
    def around_run(self, context: Context) -> Iterator[None]:
        self._tell("before", context)
        try:
            yield
        finally:
            self._tell("behind", context)

    def after_end(self, context: Context, error: BaseException | None) -> None:
        self._tell(f"after {error}", context)

    def _tell(self, what: str, context: Context) -> None:
        self._told.append(f"{self._name} {what} {context.attempt}")
        if what.startswith(self._fails_in or "nothing"):
            raise RuntimeError(f"{self._name} {what}")


def app_with(*hooks: Hooks) -> App:
    return App(timer=HandTimer(), hooks=hooks)


def found(app: App, name: str) -> Runnable:
    runnable = app.find(name)
    assert runnable is not None
    return runnable


def run(app: App, name: str) -> object:
    called = found(app, name).call(Attempt(), {})
    return asyncio.run(called) if isinstance(called, Coroutine) else called


def test_a_job_gets_its_context_and_says_through_it_how_far_it_is() -> None:
    app = app_with()

    @app.job
    def work(ctx: Context, n: int) -> list[Any]:
        ctx.progress(1, 2, "half")
        return [ctx.id, ctx.queue, ctx.attempt, ctx.tags, ctx.deadline_unix_ms, n]

    attempt = Attempt()
    assert found(app, "work").call(attempt, {"n": 5}) == [attempt.id, "mail", 2, ("a",), 7, 5]
    assert attempt.reports == [(1, 2, "half")]


def test_a_job_sees_that_it_is_asked_to_end() -> None:
    app = app_with()

    @app.job
    def work(ctx: Context) -> bool:
        return ctx.cancelled.is_set()

    attempt = Attempt()
    attempt.cancelled.set()
    assert found(app, "work").call(attempt, {}) is True


def test_what_a_job_logs_goes_to_a_logger_of_its_name(caplog: pytest.LogCaptureFixture) -> None:
    app = app_with()

    @app.job
    def work(ctx: Context) -> None:
        ctx.log.warning("hot")

    found(app, "work").call(Attempt(), {})
    assert caplog.record_tuples == [("job.work", logging.WARNING, "hot")]


def test_spawned_jobs_are_handed_over_for_the_completion_and_count_time_from_then() -> None:
    app = app_with()

    @app.job(queue="kids", priority=9, delay_ms=10)
    def kid(n: int) -> None: ...

    @app.job
    def work(ctx: Context) -> None:
        ctx.spawn(kid.call(3))

    attempt = Attempt()
    found(app, "work").call(attempt, {})
    ((queue, priority, job),) = attempt.spawned
    assert (queue, priority, job.name, job.args) == ("kids", 9, "kid", {"n": 3})
    assert job.due_unix_ms == START_UNIX_MS + 10


def test_a_job_with_a_unique_key_cannot_be_spawned() -> None:
    app = app_with()

    @app.job(unique=Unique())
    def kid() -> None: ...

    @app.job
    def work(ctx: Context) -> None:
        ctx.spawn(kid.call())

    with pytest.raises(Misuse, match="kid"):
        found(app, "work").call(Attempt(), {})


def test_arguments_that_do_not_fit_are_found_before_the_function_is_called() -> None:
    app = app_with()
    called: list[int] = []

    @app.job
    def work(n: int) -> None:
        called.append(n)

    with pytest.raises(BadArguments, match="'n'"):
        found(app, "work").call(Attempt(), {"n": "x"})
    assert called == []


@pytest.mark.parametrize("is_async", [False, True])
def test_hooks_stand_around_the_function_the_first_outermost(is_async: bool) -> None:
    told: list[str] = []
    app = app_with(Told("a", told), Told("b", told))

    @app.job(name="sync")
    def work() -> str:
        told.append("work")
        return "done"

    @app.job(name="async")
    async def wait() -> str:
        told.append("work")
        return "done"

    assert run(app, "async" if is_async else "sync") == "done"
    assert told == [
        "a before 2", "b before 2", "work", "b behind 2", "a behind 2",
        "b after None 2", "a after None 2",
    ]  # fmt: skip


@pytest.mark.parametrize("is_async", [False, True])
def test_hooks_are_told_what_the_function_raised(is_async: bool) -> None:
    told: list[str] = []
    app = app_with(Told("a", told))

    @app.job(name="sync")
    def work() -> None:
        raise ValueError("bad")

    @app.job(name="async")
    async def wait() -> None:
        raise ValueError("bad")

    with pytest.raises(ValueError, match="bad"):
        run(app, "async" if is_async else "sync")
    assert told == ["a before 2", "a behind 2", "a after bad 2"]


def test_a_hook_that_fails_around_the_function_fails_the_attempt_and_leaves_the_others() -> None:
    told: list[str] = []
    app = app_with(Told("a", told), Told("b", told, fails_in="before"))

    @app.job
    def work() -> None:
        told.append("work")

    with pytest.raises(RuntimeError, match="b before"):
        found(app, "work").call(Attempt(), {})
    assert told[:3] == ["a before 2", "b before 2", "a behind 2"]
    assert "work" not in told


def test_a_hook_that_fails_after_the_end_is_logged_and_changes_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told: list[str] = []
    app = app_with(Told("a", told), Told("b", told, fails_in="after"))

    @app.job
    def work() -> int:
        return 5

    assert found(app, "work").call(Attempt(), {}) == 5
    assert "hook Told failed after the end" in caplog.text
    assert told[-1] == "a after None 2"
