"""Members of one partitioned set whose views of it lag, and a record of who worked on what."""

import asyncio

from coord import ops
from coord.client.ops import Text
from coord.client.watch import WatchBatch
from coord.testing.local import LocalClient, LocalCluster, LocalWatch, settle
from recipes.partitioner import Partitioner, Share

TTL_MS = 900
LAGS_TURNS = {"a": 0, "b": 7, "c": 23}


class Ledger:
    """Who works on what, and what ever went wrong."""

    def __init__(self) -> None:
        self.now: dict[str, list[str]] = {}
        self.starts: list[tuple[str, str, int]] = []
        self.stops = 0
        self.faults: list[str] = []

    async def work(self, member: "Member", share: Share) -> None:
        # One that stands still beyond its time to live cannot know; all others must be alone.
        workers = self.now.setdefault(share.item, [])
        awake = [name for name in workers if not member.crowd.is_still(name)]
        if awake:
            self.faults.append(f"{member.name} starts {share.item}, {awake} work on it")
        workers.append(member.name)
        self.starts.append((share.item, member.name, share.token))
        try:
            await asyncio.Event().wait()
        finally:
            await settle(30)  # stopping takes its time
            workers.remove(member.name)
            self.stops += 1


class LaggingWatch(LocalWatch):
    """Tells everything some turns of the loop late."""

    lag_turns = 0

    async def __anext__(self) -> WatchBatch:
        batch = await super().__anext__()
        await settle(self.lag_turns)
        return batch


class LaggingClient(LocalClient):
    """A client whose view of the world is older than that of others."""

    def __init__(self, cluster: LocalCluster, lag_turns: int) -> None:
        super().__init__(cluster)
        self._lag_turns = lag_turns

    def watch(
        self,
        key: Text,
        *,
        range_end: Text | None = None,
        prefix: bool = False,
        from_key: bool = False,
        start_revision: int = 0,
        no_delete: bool = False,
    ) -> LocalWatch:
        start, end = ops.key_range(key, range_end, prefix, from_key)
        watch = LaggingWatch(self.cluster, start, end, start_revision, no_delete)
        watch.lag_turns = self._lag_turns
        return watch


class Member:
    """One member, its session and its running part."""

    def __init__(self, crowd: "Crowd", name: str) -> None:
        self.crowd = crowd
        self.name = name
        self.client = LaggingClient(crowd.cluster, LAGS_TURNS[name])
        self.part = Partitioner(self.client, "p/", name, ttl_ms=TTL_MS)
        self.task = asyncio.create_task(self.part.run(lambda s: crowd.ledger.work(self, s)))

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


class Crowd:
    """Members of one set, and its items."""

    def __init__(self) -> None:
        self.cluster = LocalCluster()
        self.ledger = Ledger()
        self.members: dict[str, Member] = {}
        self.board = Partitioner(self.cluster.client(), "p/", "console")

    def is_still(self, name: str) -> bool:
        return name in self.still

    still: frozenset[str] = frozenset()

    def join(self, name: str) -> None:
        if name not in self.members:
            self.members[name] = Member(self, name)

    async def leave(self, name: str) -> None:
        if name in self.members:
            await self.members.pop(name).stop()

    async def close(self) -> None:
        for name in list(self.members):
            await self.leave(name)

    async def items(self) -> list[str]:
        found = await self.cluster.client().get("p/items/", prefix=True)
        return [kv.key.decode().removeprefix("p/items/") for kv in found.kvs]

    async def check_settled(self) -> None:
        """Every item is held once, evenly, and is being worked on by its holder."""
        items = await self.items()
        held = {name: list(member.part.held) for name, member in self.members.items()}
        if self.members:
            assert sorted(item for share in held.values() for item in share) == items
            most = -(-len(items) // len(self.members))
            assert max(len(share) for share in held.values()) <= most
        for item, workers in self.ledger.now.items():
            assert workers == [name for name, share in held.items() if item in share]

    def check_log(self) -> None:
        """No claim was made while another one of the same item stood."""
        assert self.ledger.faults == []
        history = self.cluster.store.events(2, self.cluster.store.revision)
        for event in (event for events in history for event in events):
            if event.kv.key.startswith(b"p/claims/"):
                assert event.kv.version <= 1  # written once, then gone: never taken over
        tokens: dict[str, int] = {}
        for item, _, token in self.ledger.starts:
            assert token > tokens.get(item, 0)
            tokens[item] = token
