"""Following orders while the cluster is hard to reach."""

import asyncio
from typing import Any

import pytest

from coord.client.ops import Text
from coord.errors import ErrorCode, Unavailable
from coord.requests import RangeReply
from coord.testing.local import LocalClient, LocalCluster, in_loop, settle
from workers.model.places import Places
from workers.running import registration as module
from workers.running.registration import Registration
from workers.running.roll import Order, WorkerEntry, give_order

PLACES = Places()
ENTRY = WorkerEntry("w", "host", 1, "1.0", ("default",), 2)


class _Away(LocalClient):
    """Cannot be asked for the order, the first time."""

    is_back = False

    async def get(self, key: Text, **options: Any) -> RangeReply:
        if key == PLACES.order("w") and not self.is_back:
            self.is_back = True
            raise Unavailable("no node could be reached", ErrorCode.TIMED_OUT)
        return await super().get(key, **options)


@in_loop
async def test_a_worker_overtaken_by_compaction_and_cut_off_goes_on_following(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "RETRY_S", 0.001)
    cluster = LocalCluster()
    client, obeyed = _Away(cluster), asyncio.Queue[Order]()
    async with client.session() as session:
        registration = Registration(client, session, PLACES, lambda: ENTRY, obeyed.put_nowait)
        await registration.enter()
        following = asyncio.create_task(registration.follow_orders())
        await settle()
        cluster.cut_watches()
        await give_order(client, PLACES, "w", Order.DRAIN)
        cluster.fail_cut_watches()
        async with asyncio.timeout(5.0):
            assert await obeyed.get() is Order.DRAIN
        following.cancel()
    assert client.is_back
