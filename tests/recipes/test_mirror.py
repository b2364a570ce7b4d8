"""Mirror: an exact copy that follows, over compaction too."""

import asyncio
from typing import Any

import pytest

from coord import ops
from coord.client.ops import Text
from coord.errors import ErrorCode, HistoryCompacted, Unavailable
from coord.model import EventKind
from coord.requests import Compact, PutReply, RangeReply
from coord.testing.local import LocalClient, LocalCluster, LocalWatch, in_loop, settle
from recipes.mirror import PAGE_KEYS, Mirror, read_all


@in_loop
async def test_a_mirror_starts_with_what_is_there_and_follows_each_change() -> None:
    client = LocalCluster().client()
    await client.put("c/a", "1")
    async with Mirror(client, "c/") as mirror:
        assert {key: kv.value for key, kv in mirror.keys.items()} == {b"c/a": b"1"}
        await client.put("c/b", "2")
        await client.put("other", "x")
        put = await client.put("c/a", "3")
        await mirror.change()
        await mirror.change()
        assert {key: kv.value for key, kv in mirror.keys.items()} == {b"c/a": b"3", b"c/b": b"2"}
        assert mirror.revision == put.revision
        await client.delete("c/a")
        (event,) = await mirror.change()
        assert (event.kind, event.kv.key) == (EventKind.DELETE, b"c/a")
        assert list(mirror.keys) == [b"c/b"]


@in_loop
async def test_a_mirror_of_one_key_does_not_see_longer_ones() -> None:
    client = LocalCluster().client()
    async with Mirror(client, "a", prefix=False) as mirror:
        await client.put("ab", "1")
        await client.put("a", "2")
        await mirror.change()
        assert list(mirror.keys) == [b"a"]


@in_loop
async def test_a_large_prefix_is_read_in_pages_as_of_one_revision() -> None:
    client = LocalCluster().client()
    for number in range(2 * PAGE_KEYS + 1):
        await client.put(f"c/{number:05}")
    async with Mirror(client, "c/") as mirror:
        assert len(mirror.keys) == 2 * PAGE_KEYS + 1


@in_loop
async def test_changes_wait_until_there_are_some() -> None:
    client = LocalCluster().client()
    async with Mirror(client, "c/") as mirror:
        waiting = asyncio.create_task(mirror.change())
        await settle()
        assert not waiting.done()
        await client.put("c/a")
        assert len(await waiting) == 1


class BusyPrefix(LocalClient):
    """Somebody writes whenever a watch is about to be made."""

    def watch(self, key: Text, **options: Any) -> LocalWatch:
        self.cluster.write(ops.put("c/just-in-time"))
        return super().watch(key, **options)


@in_loop
async def test_a_change_between_read_and_watch_is_not_missed() -> None:
    async with Mirror(BusyPrefix(LocalCluster()), "c/") as mirror:
        (event,) = await mirror.change()
        assert event.kv.key == b"c/just-in-time"


@in_loop
async def test_a_mirror_overtaken_by_compaction_reads_anew_and_tells_the_difference() -> None:
    cluster = LocalCluster()
    client = cluster.client()
    await client.put("c/stays", "1")
    await client.put("c/goes", "1")
    async with Mirror(client, "c/") as mirror:
        cluster.cut_watches()
        await client.put("c/stays", "2")
        await client.put("c/new", "1")
        deleted = await client.delete("c/goes")
        cluster.write(Compact(deleted.revision))
        cluster.fail_cut_watches()
        events = await mirror.change()
        told = {(event.kind, event.kv.key) for event in events}
        assert told == {
            (EventKind.DELETE, b"c/goes"),
            (EventKind.PUT, b"c/new"),
            (EventKind.PUT, b"c/stays"),
        }
        assert {key: kv.value for key, kv in mirror.keys.items()} == {
            b"c/new": b"1",
            b"c/stays": b"2",
        }
        await client.put("c/after", "1")
        assert len(await mirror.change()) == 1


class CompactedAtOnce(LocalClient):
    """Compaction overtakes the first watch before it stands, and the first read between pages."""

    watches = 0
    pages = 0

    def watch(self, key: Text, **options: Any) -> LocalWatch:
        self.watches += 1
        if self.watches > 1:
            return super().watch(key, **options)
        put = self.cluster.write(ops.put("c/late"))
        assert isinstance(put, PutReply)
        self.cluster.write(Compact(put.revision))
        raise HistoryCompacted(put.revision)

    async def get(self, key: Text, **options: Any) -> RangeReply:
        if options.get("revision"):
            self.pages += 1
            if self.pages == 1:
                raise HistoryCompacted(options["revision"] + 1)
        return await super().get(key, **options)


@in_loop
async def test_a_mirror_overtaken_before_its_watch_stands_begins_again() -> None:
    client = CompactedAtOnce(LocalCluster())
    async with Mirror(client, "c/") as mirror:
        assert list(mirror.keys) == [b"c/late"]
        await client.put("c/after")
        (event,) = await mirror.change()
        assert event.kv.key == b"c/after"


@in_loop
async def test_a_reading_overtaken_between_two_pages_begins_again() -> None:
    client = CompactedAtOnce(LocalCluster())
    for number in range(PAGE_KEYS + 1):
        await client.put(f"c/{number:05}")
    found, _ = await read_all(client, b"c/", prefix=True)
    assert len(found) == PAGE_KEYS + 1
    assert client.pages == 2


class AwayAtRereads(LocalClient):
    """The cluster has no leader when the mirror reads for the second time."""

    reads = 0

    async def get(self, key: Text, **options: Any) -> RangeReply:
        self.reads += 1
        if self.reads == 2:
            raise Unavailable("no leader", ErrorCode.NO_LEADER)
        return await super().get(key, **options)


@in_loop
async def test_a_mirror_whose_second_reading_failed_goes_on_at_the_next_call() -> None:
    cluster = LocalCluster()
    client = AwayAtRereads(cluster)
    async with Mirror(client, "c/") as mirror:
        cluster.cut_watches()
        put = await client.put("c/a", "1")
        cluster.write(Compact(put.revision))
        cluster.fail_cut_watches()
        with pytest.raises(Unavailable):
            await mirror.change()
        (event,) = await mirror.change()
        assert event.kv.key == b"c/a"
