"""What the campaign over the recipes found, beside a seed or a scenario that shows it again.

Seeds drift as programs and recipes change; the scenario is what stays.
"""

import asyncio
from typing import Any

import pytest

from coord.requests import TxnReply
from coord.testing.local import LocalClient, LocalCluster, in_loop, settle
from recipes.gate import SizeGate
from recipes.testing.campaign import run_seed


@pytest.mark.parametrize("seed", [37, 100])
def test_seeds_that_found_something_find_nothing_any_more(seed: int) -> None:
    assert run_seed(seed).failure == ""


class Unhurried(LocalClient):
    """A client whose transactions take a while to leave."""

    async def txn(self, *args: Any, **options: Any) -> TxnReply:
        await settle(20)
        return await super().txn(*args, **options)


@in_loop
async def test_a_gate_opened_at_a_count_that_fell_again_lets_late_waiters_pass() -> None:
    """Who looked between the fall and the latch followed the count alone, for ever."""
    cluster = LocalCluster()
    client = cluster.client()
    early = SizeGate(Unhurried(cluster), "gate", "items/", 2)
    late = SizeGate(cluster.client(), "gate", "items/", 2)
    first = asyncio.create_task(early.wait())
    await settle(100)
    await client.put("items/1")
    await client.put("items/2")
    await client.delete("items/2")
    second = asyncio.create_task(late.wait())
    await settle(500)
    assert first.done()
    assert second.done()
    assert second.result() == first.result()
