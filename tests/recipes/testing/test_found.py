"""What the campaign over the recipes found in several of them at once, as a scenario each.

Seeds drift as programs and recipes change; scenarios stay. Others stand beside what was wrong:
watches left behind (tests/coord/client/test_client.py), a notice lost on a full queue
(tests/coord/node/test_streams.py), compaction between read and watch (test_mirror.py), an error
nobody heard (test_waiting.py).
"""

import asyncio
from typing import Any

from coord.requests import TxnReply
from coord.testing.local import LocalClient, LocalCluster, in_loop, settle
from recipes.gate import SizeGate


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
