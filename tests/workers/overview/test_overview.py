"""Looking at everything, what ended per second, and how it is shown."""

from typing import Any

import msgspec
from attrs import evolve

from coord.client.ops import Text
from coord.errors import Unavailable
from coord.requests import RangeReply
from coord.testing.local import LocalClient, LocalCluster, in_loop
from workers.model.states import State
from workers.overview.looking import look
from workers.overview.text import as_json, head, parts, span_text
from workers.overview.values import Member, Overview, Rates, rates
from workers.running.roll import CurrentJob
from workers.store.jobs import JobStore
from workers.store.queues import QueueView
from workers.testing.at_hand import entry, in_office, on_the_roll, ready, status
from workers.testing.hand_timer import START_UNIX_MS, HandTimer

NO_RATES = Rates({}, {})


class _Led(LocalClient):
    """A client of a cluster of which one member is silent."""

    async def statuses(self, *, timeout_ms: float | None = None) -> dict[str, object]:
        return {"c2": Unavailable("timed out"), "c1": status(1)}


class _Noting(LocalClient):
    """Counts the jobs in line that somebody reads."""

    jobs_read = 0

    async def get(self, key: Text, **options: Any) -> RangeReply:
        reply = await super().get(key, **options)
        self.jobs_read += sum(b"/ready/" in kv.key for kv in reply.kvs)
        return reply


def _store() -> JobStore:
    return JobStore(LocalCluster().client(), timer=HandTimer())


@in_loop
async def test_everything_is_seen_in_one_look() -> None:
    client = _Led(LocalCluster())
    store = JobStore(client, timer=HandTimer())
    await in_office(client, "w")
    job = CurrentJob("q:500000000000000010000", "f", 2, START_UNIX_MS - 5_000)
    await on_the_roll(client, entry("w", "q", jobs=(job,)))
    await client.put("coord/progress/q:500000000000000010000", '{"done":3,"total":9}')
    await ready(store)
    await store.pause("q")
    seen = await look(store)
    assert [line for line, _ in head(seen)] == [
        f"revision {seen.revision}, steward w",
        "1 of 2 members answer; n1 leads term 3",
        "c2 is silent: timed out",
    ]
    tables = {part.title: part.rows for part in parts(seen, NO_RATES, START_UNIX_MS)}
    assert tables["queues"] == (("q", "1", "0", "0", "0", "0", "0", "", "pause"),)
    running = ("q:500000000000000010000", "f", "2", "w", "5 s", "3/9", "")
    assert tables["running"] == (running,)
    assert tables["workers"][0][:6] == ("w", "box", "q", "4", "1", "7")


@in_loop
async def test_jobs_are_counted_and_never_read() -> None:
    client = _Noting(LocalCluster())
    store = JobStore(client, timer=HandTimer())
    for _ in range(50):
        await ready(store)
    seen = await look(store)
    assert seen.queues[0].counts[State.READY] == 50
    assert client.jobs_read <= 1


@in_loop
async def test_the_same_is_shown_as_the_same() -> None:
    store = _store()
    await ready(store)
    first = await look(store)
    await store.client.put("elsewhere", "x")
    second = await look(store)
    assert second.revision > first.revision
    assert second.shows_the_same(first)
    await ready(store)
    assert not (await look(store)).shows_the_same(second)


@in_loop
async def test_rates_are_what_ended_between_two_looks() -> None:
    before = await look(_store())
    worker = entry("w", "q")
    queue = QueueView("q", dict.fromkeys(State, 0), {}, "", "", 1)
    before = evolve(before, workers=(worker,), queues=(queue,))
    did = msgspec.structs.replace(worker, done=27)
    counts = {**queue.counts, State.DONE: 8, State.DEAD: 2}
    now = _later(evolve(before, workers=(did,), queues=(evolve(queue, counts=counts),)), 2_000)
    assert rates(before, now) == Rates({"q": 5.0}, {"w": 10.0})
    assert rates(None, now) == NO_RATES
    assert rates(now, now) == NO_RATES


def test_spans_of_time_have_two_units_at_most() -> None:
    spans = {0: "0 s", 999: "0 s", 61_000: "1 min 1 s", 3_600_000: "1 h", 180_061_000: "2 d 2 h"}
    assert {ms: span_text(ms) for ms in spans} == spans


@in_loop
async def test_beyond_what_fits_it_is_told_how_many_more_there_are() -> None:
    seen = await look(_store())
    many = tuple(entry(f"w{number}", "q") for number in range(30))
    (part,) = parts(evolve(seen, workers=many), NO_RATES, START_UNIX_MS)
    assert len(part.rows) + part.more == 30
    assert part.more > 0


@in_loop
async def test_programs_get_every_part() -> None:
    seen = evolve(await look(_store()), members=(Member("c1", status(1)), Member("c2", error="x")))
    told = as_json(seen, NO_RATES)
    assert told["members"][0]["name"] == "n1"
    assert told["members"][1] == {"endpoint": "c2", "error": "x"}


def _later(overview: Overview, by_ms: int) -> Overview:
    return evolve(overview, unix_ms=overview.unix_ms + by_ms)
