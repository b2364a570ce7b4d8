"""coord bench: how a load is divided, run and put together."""

import asyncio
import json
from array import array
from collections.abc import AsyncIterator
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from coord.cli import bench
from coord.cli.bench_plan import WATCHED, LoadPlan, key_of, split_plan
from coord.cli.bench_processes import Share
from coord.cli.bench_report import merge
from coord.cli.bench_worker import Run, one_client, one_watcher
from coord.client.watch import WatchBatch
from coord.errors import Unavailable
from coord.model import Cause, Event, EventKind, KeyValue

PLAN = LoadPlan(op="put", clients=10, total=1000, endpoints=("tcp://a:1", "tcp://b:2"))


def test_a_plan_survives_its_way_to_another_process() -> None:
    assert LoadPlan.from_line(PLAN.to_line()) == PLAN


@given(st.integers(1, 50), st.integers(1, 2000), st.integers(1, 20), st.integers(0, 10**6))
def test_shares_make_each_request_once_and_leave_no_process_idle(
    clients: int, total: int, processes: int, first: int
) -> None:
    plan = LoadPlan(op="put", clients=clients, total=total, first=first)
    shares = split_plan(plan, processes)
    assert sum(share.clients for share in shares) == clients
    assert all(share.clients and share.total for share in shares)
    numbers = [n for share in shares for n in range(share.first, share.first + share.total)]
    assert numbers == list(range(first, first + total))


def test_keys_are_distinct_of_the_asked_size_and_spread() -> None:
    keys = [key_of(number, 32) for number in range(10_000)]
    assert len(set(keys)) == len(keys)
    assert {len(key) for key in keys} == {32}
    assert keys[0] == b"bench/9e3779b97f4a7c15kkkkkkkkkk"  # the load generator for etcd agrees
    halves = sorted(keys)
    assert abs(halves.index(keys[0]) - 10_000 * 0x9E / 0x100) < 200


def test_a_report_counts_from_the_first_start_to_the_last_end() -> None:
    one = Share(1_000_000_000, 2_000_000_000, 0, "", array("q", [1_000_000] * 98))
    two = Share(1_500_000_000, 3_000_000_000, 1, "no leader", array("q", [5_000_000, 9_000_000]))
    report = merge("put", 10, [one, two])
    assert (report.seconds, report.per_second, report.total) == (2.0, 50.0, 100)
    assert (report.p50_ms, report.p99_ms, report.max_ms) == (1.0, 5.0, 9.0)
    assert (report.failed, report.first_failure) == (1, "no leader")


def test_clients_share_the_numbers_and_count_failures() -> None:
    run, seen = Run(), []

    async def operation(number: int, place: int) -> None:
        seen.append(number)
        await asyncio.sleep(0)
        if number == 3:
            raise Unavailable("no leader")

    async def load() -> None:
        numbers = iter(range(20))
        await asyncio.gather(*(one_client(operation, numbers, place, run) for place in range(4)))

    asyncio.run(load())
    assert sorted(seen) == list(range(20))
    assert (len(run.took_ns), run.failed, run.first_failure) == (20, 1, "no leader")
    assert json.loads(run.head())["times"] == 20


def _batch(*numbers: int) -> WatchBatch:
    events = tuple(
        Event(
            EventKind.PUT,
            Cause.WRITTEN,
            KeyValue(b"%s%08d" % (WATCHED, number), b"%020d" % 0, 1, 1, 1),
        )
        for number in numbers
    )
    return WatchBatch(events, 1)


def test_a_watcher_stops_when_all_was_seen_and_tells_what_came_twice() -> None:
    async def watch() -> AsyncIterator[WatchBatch]:
        for batch in (_batch(0), _batch(0, 2), _batch(1), _batch(1)):
            yield batch

    run = Run()
    plan = LoadPlan(op="watch", clients=1, total=3, watch_total=3)
    asyncio.run(one_watcher(watch(), plan, run))  # type: ignore[arg-type]
    assert len(run.took_ns) == 3
    assert (run.failed, run.first_failure) == (1, "write 0 was seen twice")


@pytest.fixture
def shares(monkeypatch: pytest.MonkeyPatch) -> list[LoadPlan]:
    """Run no processes; remember their plans and answer for them."""
    plans: list[LoadPlan] = []

    def run_plans(asked: list[LoadPlan]) -> list[Share]:
        plans.extend(asked)
        return [Share(0, 10**9, 0, "", array("q", [10**6] * plan.total)) for plan in asked]

    monkeypatch.setattr(bench, "run_plans", run_plans)
    return plans


def _bench(*args: str) -> Any:
    return CliRunner().invoke(bench.bench, [*args, "-w", "json"])


def test_put_divides_clients_and_requests_among_processes(shares: list[LoadPlan]) -> None:
    done = _bench("put", "--clients", "10", "--total", "100", "--processes", "3")
    assert [(plan.clients, plan.total) for plan in shares] == [(3, 33), (3, 33), (4, 34)]
    report = json.loads(done.output)
    assert (report["op"], report["clients"], report["total"], report["failed"]) == (
        "put",
        10,
        100,
        0,
    )


def test_watch_adds_one_process_that_writes(shares: list[LoadPlan]) -> None:
    _bench("watch", "--clients", "10", "--total", "50", "--processes", "2", "--writes", "7")
    *watching, writing = shares
    assert [(plan.clients, plan.watch_total) for plan in watching] == [(5, 50), (5, 50)]
    assert (writing.op, writing.clients, writing.total, writing.watch_total) == (
        "watched",
        7,
        50,
        0,
    )


def test_endpoints_are_taken_apart(shares: list[LoadPlan]) -> None:
    _bench("put", "--clients", "1", "--total", "1", "--endpoints", "tcp://a:1, tcp://b:2")
    assert shares[0].endpoints == ("tcp://a:1", "tcp://b:2")
