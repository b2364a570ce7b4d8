"""Size gate: opens at the target, never before, for everybody, for good."""

import asyncio
from typing import Any

import pytest

from coord import ops
from coord.client.ops import Text
from coord.testing.local import LocalClient, LocalCluster, LocalWatch, in_loop, settle
from recipes.errors import NeverOpens
from recipes.gate import SizeGate


@in_loop
async def test_a_gate_opens_at_its_target_and_not_before() -> None:
    client = LocalCluster().client()
    waiting = asyncio.create_task(SizeGate(client, "gate", "items/", 3).wait())
    for number in range(2):
        await client.put(f"items/{number}")
    await settle()
    assert not waiting.done()
    last = await client.put("items/last")
    opening = await waiting
    assert (opening.value, opening.revision) == (3, last.revision)


@in_loop
async def test_rewriting_a_key_does_not_count_twice() -> None:
    client = LocalCluster().client()
    waiting = asyncio.create_task(SizeGate(client, "gate", "items/", 2).wait())
    await settle()
    for _ in range(5):
        await client.put("items/same")
    await settle()
    assert not waiting.done()
    waiting.cancel()


@in_loop
async def test_keys_that_go_again_count_down() -> None:
    client = LocalCluster().client()
    waiting = asyncio.create_task(SizeGate(client, "gate", "items/", 2).wait())
    await settle()
    await client.put("items/a")
    await client.delete("items/a")
    await client.put("items/b")
    await settle()
    assert not waiting.done()
    await client.put("items/c")
    await waiting


@in_loop
async def test_a_key_that_moves_within_one_revision_does_not_open_the_gate() -> None:
    client = LocalCluster().client()
    await client.put("items/a")
    waiting = asyncio.create_task(SizeGate(client, "gate", "items/", 2).wait())
    await settle()
    await client.txn(success=[ops.put("items/b"), ops.delete("items/a")])
    await settle()
    assert not waiting.done()
    waiting.cancel()


@in_loop
async def test_an_open_gate_stays_open_when_its_items_go() -> None:
    client = LocalCluster().client()
    gate = SizeGate(client, "gate", "items/", 1)
    await client.put("items/a")
    opening = await gate.wait()
    await client.delete("items/a")
    assert await gate.wait() == opening
    assert await gate.passed()


@in_loop
async def test_all_who_wait_agree_on_the_revision_that_opened_the_gate() -> None:
    client = LocalCluster().client()
    waits = [asyncio.create_task(SizeGate(client, "gate", "items/", 2).wait()) for _ in range(3)]
    await settle()
    await client.put("items/a")
    await client.put("items/b")
    await client.put("items/c")
    openings = await asyncio.gather(*waits)
    assert len(set(openings)) == 1
    assert openings[0].value == 2


@in_loop
async def test_who_sees_the_opening_later_agrees_with_the_first_who_latched_it() -> None:
    client = LocalCluster().client()
    gate = SizeGate(client, "gate", "items/", 2)
    waiting = asyncio.create_task(gate.wait())
    await settle()
    for name in ("a", "b", "c"):
        await client.put(f"items/{name}")
    assert await gate.passed()
    latched = (await gate.explain()).opening
    assert latched is not None
    assert latched.value == 3
    assert await waiting == latched


class BusyItems(LocalClient):
    """Somebody adds an item whenever a watch is about to be made."""

    def watch(self, key: Text, **options: Any) -> LocalWatch:
        self.cluster.write(ops.put("items/just-in-time"))
        return super().watch(key, **options)


@in_loop
async def test_an_item_that_arrives_between_look_and_watch_counts() -> None:
    opening = await SizeGate(BusyItems(LocalCluster()), "gate", "items/", 1).wait()
    assert opening.value == 1


@in_loop
async def test_a_gate_explains_what_it_waits_for() -> None:
    client = LocalCluster().client()
    gate = SizeGate(client, "gate", "items/", 2)
    await gate.declare()
    await client.put("items/a")
    shut = await gate.explain()
    assert (shut.value, shut.target, shut.is_open) == (1, 2, False)
    assert shut.since_unix_ms > 0
    assert str(shut) == "gate: shut, 1 of 2 under items/"
    await client.put("items/b")
    assert await gate.passed()
    assert (await gate.explain()).is_open


@in_loop
async def test_a_second_declaration_does_not_reset_since_when_it_waits() -> None:
    client = LocalCluster().client()
    gate = SizeGate(client, "gate", "items/", 2)
    await gate.declare()
    first = await client.get("gate/declared")
    await gate.declare()
    assert (await client.get("gate/declared")).kvs == first.kvs


def test_a_target_below_one_is_refused() -> None:
    with pytest.raises(NeverOpens, match="at least 1"):
        SizeGate(LocalCluster().client(), "gate", "items/", 0)
