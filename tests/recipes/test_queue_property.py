"""The queue under any order of steps, stalls, ends of sessions and lost messages.

Whatever happens, no item is lost, none is doubled, and none is completed twice.
"""

import contextlib
from collections import Counter
from typing import Literal

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from coord.errors import MaybeDone
from coord.testing.local import LocalCluster, LocalSession, in_loop
from recipes.consumer import Consumer
from recipes.errors import SessionLost, StaleClaim
from recipes.queue import Claimed, Done, Queue, QueueSettings

TTL_MS = 900
CONSUMERS = 3

Action = Literal["put", "take", "complete", "fail", "give back", "stall", "wake", "lose", "drop"]
ACTIONS: tuple[Action, ...] = (
    "put", "take", "complete", "fail", "give back", "stall", "wake", "lose", "drop",
)  # fmt: skip
STEPS = st.tuples(
    st.sampled_from(ACTIONS), st.integers(0, CONSUMERS - 1), st.sampled_from((0, 300, 1000))
)


class _Crowd:
    """Some consumers of one queue, what they hold, and which completions were accepted."""

    def __init__(self) -> None:
        self.cluster = LocalCluster()
        self.queue = Queue(self.cluster.client(), "q/", QueueSettings(attempts_max=3))
        self.clients = [self.cluster.client() for _ in range(CONSUMERS)]
        self.sessions: list[LocalSession] = []
        self.consumers: list[Consumer] = []
        self.hands: list[list[Claimed]] = [[] for _ in range(CONSUMERS)]
        self.put = 0
        self.accepted: Counter[str] = Counter()

    async def start(self) -> None:
        for place in range(CONSUMERS):
            self.sessions.append(await self.cluster.client().session(TTL_MS))
            queue = Queue(self.clients[place], "q/", self.queue.settings)
            self.consumers.append(Consumer(queue, self.sessions[place], f"c{place}"))

    async def step(self, action: Action, place: int) -> None:
        client, session, hand = self.clients[place], self.sessions[place], self.hands[place]
        match action:
            case "put":
                await self.queue.put(str(self.put))
                self.put += 1
            case "take":
                items = await self.consumers[place].try_take(2)
                assert [item.id for item in items] == sorted(item.id for item in items)
                hand.extend(items)
            case "complete" if hand:
                item = hand.pop(0)
                await self.consumers[place].complete(item, place)
                self.accepted[item.id] += 1
            case "fail" if hand:
                await self.consumers[place].fail(hand.pop(0), "on purpose")
            case "give back" if hand:
                await self.consumers[place].give_back(hand.pop(0))
            case "stall":
                session.stall()
            case "wake":
                session.wake()
            case "lose":
                client.lose_answers()
            case "drop":
                client.lose_requests()
            case _:
                pass

    async def check(self) -> None:
        counts = await self.queue.counts()
        assert counts.ready + counts.held + counts.done + counts.dead == self.put
        done = await self.queue.client.get(self.queue.done, prefix=True)
        recorded = {kv.key.removeprefix(self.queue.done).decode() for kv in done.kvs}
        assert self.accepted.keys() <= recorded
        assert all(count == 1 for count in self.accepted.values())
        assert all(kv.version == 1 for kv in done.kvs)

    async def drain(self) -> None:
        """End every session; whoever comes then finds all that is left."""
        for session in self.sessions:
            await session.close()
        async with self.cluster.client().session() as session:
            last = Consumer(self.queue, session, "last")
            while items := await last.try_take(3):
                for item in items:
                    await last.complete(item)


@settings(max_examples=150, deadline=None)
@given(st.lists(STEPS, max_size=40))
@in_loop
async def test_nothing_is_lost_doubled_or_completed_twice(
    steps: list[tuple[Action, int, int]],
) -> None:
    crowd = _Crowd()
    await crowd.start()
    for action, place, pause_ms in steps:
        with contextlib.suppress(SessionLost, StaleClaim, MaybeDone):
            await crowd.step(action, place)
        crowd.cluster.advance(pause_ms)
        await crowd.check()
    await crowd.drain()
    await crowd.check()
    counts = await crowd.queue.counts()
    assert (counts.ready, counts.held) == (0, 0)
    done = await crowd.queue.client.get(crowd.queue.done, prefix=True)
    holders = [msgspec.json.decode(kv.value, type=Done).consumer for kv in done.kvs]
    assert len(holders) == counts.done
