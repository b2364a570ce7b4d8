"""Forgetting pipelines some time after their end: spec, record, results, all in one transaction."""

import structlog

from coord.client import ops
from coord.model import KeyValue
from coord.requests import TxnOp
from recipes.errors import NotLeader
from recipes.port import only
from workers.pipelines.places import PipelinePlaces
from workers.pipelines.run import decode_run
from workers.steward.chore import Term
from workers.steward.news import SoonerNews
from workers.steward.together import together
from workers.timer import Timer

PAGE_ENTRIES = 64

log = structlog.get_logger("pipelines")


async def forget_for_ever(term: Term, timer: Timer) -> None:
    """Forget each pipeline when its time has come, until cancelled.

    Raises:
        NotLeader: the term is over.
    """
    places = PipelinePlaces(term.places)
    news = SoonerNews(term.client, places.forget, lambda kv: forget_unix_ms(places, kv.key))
    revision = (await term.client.get(places.forget)).revision
    await together(news.follow(revision), _forget(term, places, news, timer))


async def _forget(term: Term, places: PipelinePlaces, news: SoonerNews, timer: Timer) -> None:
    while True:
        news.clear()
        head = await term.client.get(places.forget, prefix=True, limit=PAGE_ENTRIES)
        now_unix_ms = timer.now_unix_ms()
        times = [forget_unix_ms(places, kv.key) for kv in head.kvs]
        due = [kv for kv, time in zip(head.kvs, times, strict=True) if time <= now_unix_ms]
        for kv in due:
            await _forget_one(term, places, kv)
        if not due:
            await news.sleep(times[0] if times else None, timer)


async def _forget_one(term: Term, places: PipelinePlaces, entry: KeyValue) -> None:
    pipeline = entry.key.rpartition(b"/")[2].decode(errors="replace")
    ended = only(await term.client.get(places.end(pipeline)))
    run = None if ended is None else decode_run(ended.value)
    guards = [term.guard(), ops.modified(entry.key, "==", entry.mod_revision)]
    steps = removal(places, pipeline, "" if run is None else run.once)
    reply = await term.client.txn(guards, [ops.delete(entry.key), *steps], [ops.get(entry.key)])
    if not reply.succeeded and only(await term.client.get(entry.key)) is not None:
        raise NotLeader
    log.info("forgot a pipeline", pipeline=pipeline)


def removal(places: PipelinePlaces, pipeline: str, once: str) -> list[TxnOp]:
    """Return what removes everything kept of a pipeline that has ended, its entry aside."""
    steps: list[TxnOp] = [
        ops.delete(places.spec(pipeline)),
        ops.delete(places.end(pipeline)),
        ops.delete(places.jobs(pipeline), prefix=True),
        ops.delete(places.groups(pipeline), prefix=True),
    ]
    if once:
        steps.append(ops.delete(places.once(once) + pipeline.encode()))
    return steps


def forget_unix_ms(places: PipelinePlaces, key: bytes) -> int:
    """Return the time in a key under forget/; one that holds none is for now."""
    digits = key.removeprefix(places.forget).partition(b"/")[0]
    try:
        return int(digits, 16)
    except ValueError:
        return 0
