"""What falls due in the test kit as time is moved by hand, by the chores of the real steward."""

import pytest

from coord.errors import Misuse
from tests.workers.testing.conftest import Shop
from workers import Context, State, Unique
from workers.gates.conditions import Signal
from workers.limits.rule import Rule
from workers.model.job import Job
from workers.pipelines.from_app import listed, template
from workers.pipelines.run import RunState
from workers.pipelines.spec import Collect, Pipeline, Stage
from workers.schedules.values import Cron, Schedule
from workers.testing.kit import Kit


def test_limits_pass_as_many_as_they_say_each_time(shop: Shop) -> None:
    with Kit(shop.app) as kit:
        kit.limits.set("queue.mail", Rule(rate=2, period_ms=60_000))
        for to in ("a", "b", "c", "d", "e"):
            shop.app.job_type("send").enqueue(to)
        kit.run()
        first = len(shop.did)
        assert 1 <= first <= 2
        assert kit.counts()[State.PARKED] == 5 - first
        kit.advance(minutes=3)
        assert shop.did == ["a", "b", "c", "d", "e"]


def test_schedules_fire_as_time_passes(shop: Shop) -> None:
    with Kit(shop.app, start="2026-03-01T08:59:30") as kit:
        job = Job("send", {"to": "everybody"})
        kit.schedules.set(Schedule("morning", job, Cron("0 9 * * *")))
        kit.run()
        assert shop.did == []
        kit.advance(seconds=30)
        assert shop.did == ["everybody"]
        kit.advance(days=2)
        assert shop.did == ["everybody"] * 3


def test_pipelines_go_through_their_stages_and_wait_for_signals(shop: Shop) -> None:
    send, add = shop.app.job_type("send"), shop.app.job_type("add")
    letters = Pipeline(
        "letters",
        (
            Stage("send", listed(send.call("ann"), send.call("bob"))),
            Stage("add", collect=Collect(("send",), template(add), "counts"), gate=Signal("go")),
        ),
    )
    with Kit(shop.app) as kit:
        made = kit.pipelines.start(letters)
        kit.run()
        assert sorted(shop.did) == ["ann", "bob"]
        kit.pipelines.signal(made, "go")
        assert kit.pipelines.wait(made).state is RunState.DONE
        assert list(kit.pipelines.results(made, "add")) == ["sent to ann; sent to bob"]


def test_jobs_of_queues_that_came_up_meanwhile_are_run(shop: Shop) -> None:
    send = shop.app.job_type("send")

    @shop.app.job
    def elsewhere(ctx: Context) -> None:
        ctx.spawn(send.options(queue="other").call("ann"))

    with Kit(shop.app) as kit:
        elsewhere.enqueue()
        kit.run()
        assert shop.did == ["ann"]


def test_unique_windows_end_as_time_passes(shop: Shop) -> None:
    once = shop.app.job_type("send").options(unique=Unique(window_ms=3_600_000, policy="keep"))
    with Kit(shop.app) as kit:
        first = once.enqueue("ann")
        first.result()
        assert once.enqueue("ann").id == first.id
        kit.advance(hours=1)
        assert once.enqueue("ann").id != first.id


def test_endings_are_forgotten_as_time_passes(shop: Shop) -> None:
    with Kit(shop.app) as kit:
        shop.app.job_type("send").options(result_ttl_ms=60_000).enqueue("ann").result()
        assert len(kit.jobs()) == 1
        kit.advance(hours=1)
        assert kit.jobs() == []


def test_time_does_not_run_backwards(shop: Shop) -> None:
    with Kit(shop.app) as kit, pytest.raises(Misuse, match="backwards"):
        kit.advance(seconds=-1)
