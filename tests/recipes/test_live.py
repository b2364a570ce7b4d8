"""Live: what a mirror shows, kept up in the background."""

import asyncio
from typing import Any

import pytest

from coord.client.ops import Text
from coord.errors import ErrorCode, Unavailable
from coord.model import Event
from coord.requests import Compact, RangeReply
from coord.testing.local import LocalClient, LocalCluster, in_loop, settle
from recipes import live as live_module
from recipes.live import Live


@in_loop
async def test_a_live_view_follows_by_itself_and_hands_on_each_step() -> None:
    client = LocalCluster().client()
    await client.put("c/a", "1")
    steps: list[tuple[Event, ...]] = []
    async with Live(client, "c/", steps.append) as live:
        assert steps == []
        await client.put("c/b", "2")
        await live.until(lambda: len(live.keys) == 2)
        assert [event.kv.key for step in steps for event in step] == [b"c/b"]


@in_loop
async def test_whoever_waits_for_what_holds_already_does_not_wait() -> None:
    async with Live(LocalCluster().client(), "c/") as live:
        await asyncio.wait_for(live.until(lambda: True), 1)


class SometimesAway(LocalClient):
    """A cluster without a leader for as long as `away`."""

    away = False

    async def get(self, key: Text, **options: Any) -> RangeReply:
        if self.away:
            raise Unavailable("no leader", ErrorCode.NO_LEADER)
        return await super().get(key, **options)


@in_loop
async def _outage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_module, "RETRY_S", 0.001)
    cluster = LocalCluster()
    client = SometimesAway(cluster)
    async with Live(client, "c/") as live:
        cluster.cut_watches()
        client.away = True
        put = await client.put("c/a")
        cluster.write(Compact(put.revision))
        cluster.fail_cut_watches()
        await settle()
        assert isinstance(live.error, Unavailable)
        client.away = False
        await live.until(lambda: b"c/a" in live.keys)
        assert live.error is None


def test_an_outage_is_told_and_outlived(monkeypatch: pytest.MonkeyPatch) -> None:
    _outage(monkeypatch)


@in_loop
async def test_a_step_that_cannot_be_taken_is_told_to_who_waits() -> None:
    def refuse(events: tuple[Event, ...]) -> None:
        raise LookupError

    client = LocalCluster().client()
    async with Live(client, "c/", refuse) as live:
        await client.put("c/a")
        with pytest.raises(LookupError):
            await live.until(lambda: False)
