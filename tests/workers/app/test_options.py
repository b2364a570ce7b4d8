"""Options of jobs: what becomes of them when a call is enqueued, and what cannot be."""

import contextlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from coord.errors import Misuse
from coord.testing.local import LocalCluster, in_loop
from workers.app.app import App
from workers.app.call import Call
from workers.app.options import OptionChanges, Unique
from workers.errors import BadArguments, DuplicateJob
from workers.model.job import Job
from workers.testing.hand_timer import START_UNIX_MS, HandTimer

NOW = START_UNIX_MS


def app_on(cluster: LocalCluster) -> App:
    return App(timer=HandTimer(), connect=lambda: contextlib.nullcontext(cluster.client()))


async def enqueued(app: App, call: Call[Any]) -> Job:
    """Enqueue and return what a worker would see."""
    found = await (await app.enqueue_async(call)).status()
    assert found.job is not None
    return found.job


@pytest.mark.parametrize(
    ("changes", "field", "expected"),
    [
        ({"delay_ms": 500}, "due_unix_ms", NOW + 500),
        ({"at": datetime(2027, 1, 1, tzinfo=UTC)}, "due_unix_ms", 1_798_761_600_000),
        ({"expires_after_ms": 70}, "expires_unix_ms", NOW + 70),
        ({"limits": ["tenant.{to}", "tenant.{to}", "all"]}, "limits", ("tenant.ann", "all")),
        ({"limits": "all"}, "limits", ("all",)),
        ({"unique": Unique(window_ms=9)}, "unique_until_unix_ms", NOW + 9),
        ({"group": "g"}, "group", "g"),
        ({"soft_limit_ms": 1, "hard_limit_ms": 2}, "hard_limit_ms", 2),
    ],
)
@in_loop
async def test_options_of_one_call_become_times_and_names(
    changes: OptionChanges, field: str, expected: object
) -> None:
    app = app_on(LocalCluster())

    @app.job
    def send(to: str) -> None: ...

    job = await enqueued(app, send.options(**changes).call("ann"))
    assert getattr(job, field) == expected


@in_loop
async def test_a_job_that_would_expire_before_it_is_due_is_refused() -> None:
    app = app_on(LocalCluster())

    @app.job(expires_after_ms=5_000)
    def send(to: str) -> None: ...

    with pytest.raises(Misuse, match="expires 4000 ms before it is due"):
        await app.enqueue_async(send.options(delay_ms=9_000).call("ann"))
    await app.enqueue_async(send.options(delay_ms=4_999).call("ann"))


@pytest.mark.parametrize(
    "changes",
    [
        {"priority": 10},
        {"queue": "a b"},
        {"attempts_max": 0},
        {"delay_ms": -1},
        {"soft_limit_ms": 3, "hard_limit_ms": 2},
        {"delay_ms": 5, "at": datetime(2027, 1, 1, tzinfo=UTC)},
        {"at": datetime(2027, 1, 1)},  # noqa: DTZ001
        {"group": "a/b"},
        {"group": "pipeline.1.s"},
        {"colour": "red"},
    ],
)
def test_options_that_cannot_be_are_misuse(changes: Any) -> None:
    app = App()

    @app.job
    def send(to: str) -> None: ...

    with pytest.raises(Misuse):
        send.options(**changes)


def by_user(*, user: str, **others: object) -> str:
    return user


@pytest.mark.parametrize(
    ("unique", "same", "other"),
    [
        (Unique(), {"user": "a", "n": 1}, {"user": "a", "n": 2}),
        (Unique(key="{user}"), {"user": "a", "n": 2}, {"user": "b", "n": 1}),
        (Unique(key=by_user), {"user": "a", "n": 2}, {"user": "b", "n": 1}),
    ],
)
@in_loop
async def test_a_unique_key_is_made_of_all_arguments_of_a_template_or_by_a_function(
    unique: Unique, same: dict[str, Any], other: dict[str, Any]
) -> None:
    app = app_on(LocalCluster())

    @app.job(unique=unique)
    def work(user: str, n: int) -> None: ...

    first = await work.enqueue_async("a", 1)
    with pytest.raises(DuplicateJob) as caught:
        await work.enqueue_async(**same)
    assert caught.value.job_id == first.id
    await work.enqueue_async(**other)


@pytest.mark.parametrize(
    ("scope", "other_job", "other_queue"),
    [("job", True, False), ("queue", False, True), ("space", False, False)],
)
@in_loop
async def test_a_unique_key_counts_within_its_scope(
    scope: Any, other_job: bool, other_queue: bool
) -> None:
    app = app_on(LocalCluster())
    unique = Unique(key="the one", scope=scope)

    @app.job(unique=unique)
    def one() -> None: ...

    @app.job(unique=unique)
    def two() -> None: ...

    async def is_free(call: Callable[[], Any]) -> bool:
        try:
            await call()
        except DuplicateJob:
            return False
        return True

    await one.enqueue_async()
    assert await is_free(two.enqueue_async) is other_job
    assert await is_free(one.options(queue="other").enqueue_async) is other_queue


@in_loop
async def test_a_template_that_cannot_be_filled_in_names_what_is_missing() -> None:
    app = app_on(LocalCluster())

    @app.job(limits=("tenant.{tenant}",))
    def work(n: int) -> None: ...

    with pytest.raises(BadArguments, match="tenant"):
        await work.enqueue_async(1)
