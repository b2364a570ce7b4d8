"""The asyncio client's look-alike over one Store in this process, with time moved by hand.

For tests of what is built on the client: the store's real semantics without nodes, sockets or
waiting. It leaves out what a cluster adds: no leader, no network, no disk, nothing concurrent.

    @in_loop
    async def test_a_key_goes_with_its_lease() -> None:
        cluster = LocalCluster()
        client = cluster.client()
        async with client.session(ttl_ms=1000) as session:
            await client.put("a", "1", lease=session.lease)
            session.stall()
            cluster.advance(1000)
            assert (await client.get("a")).count == 0
"""

import asyncio
import functools
from collections import deque
from collections.abc import Callable, Coroutine, Generator, Iterable
from typing import Any, ParamSpec, Self, TypeVar

from coord.client import ops
from coord.client.ops import Text
from coord.client.watch import WatchBatch
from coord.errors import CoordError, ErrorCode, MaybeDone, error_from
from coord.frames import Batch, WriteFrame
from coord.ids import LogIndex
from coord.model import Event, EventKind
from coord.requests import (
    ClaimReply,
    Compare,
    DeleteReply,
    ErrorReply,
    GiveBackReply,
    LeaseGrant,
    LeaseGrantReply,
    LeaseKeepAlive,
    LeaseKeepAliveReply,
    LeaseRevoke,
    LeaseRevokeReply,
    LeaseTimeToLive,
    LeaseTimeToLiveReply,
    PutReply,
    RangeReply,
    ReadOp,
    Reply,
    TxnOp,
    TxnReply,
    WriteOp,
)
from coord.store.machine import Store

R = TypeVar("R")
P = ParamSpec("P")
_UNRECORDED_WRITER = 1


def in_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Let a test be a coroutine function: each call runs in an event loop of its own."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


async def settle(turns: int = 50) -> None:
    """Let every task of this loop run until it waits for something that is not there yet."""
    for _ in range(turns):
        await asyncio.sleep(0)


class LocalCluster:
    """One store, its time, and everybody who watches it."""

    def __init__(self) -> None:
        self.store = Store()
        self.applied: list[WriteOp] = []
        """Every write since the start, in order: what a recipe cost."""
        self._time_ms = 0
        self._watches: list[LocalWatch] = []
        self._cut: list[LocalWatch] = []
        self._sessions: list[LocalSession] = []

    def client(self) -> "LocalClient":
        """Return one more client."""
        return LocalClient(self)

    def write(self, op: WriteOp) -> Reply:
        """Apply one write at the present time and tell the watches."""
        self.applied.append(op)
        frame = WriteFrame(_UNRECORDED_WRITER, 0, len(self.applied), (op,))
        return self._apply((frame,))[0][0]

    def advance(self, by_ms: int) -> None:
        """Let time pass: sessions that are not stalled renew, leases that ran out end."""
        end_ms = self._time_ms + by_ms
        while self._time_ms < end_ms:
            awake = [session for session in self._sessions if not session.stalled]
            step_ms = min([session.ttl_ms // 3 for session in awake], default=by_ms)
            self._time_ms = min(end_ms, self._time_ms + max(step_ms, 1))
            for session in awake:
                self.write(LeaseKeepAlive(session.lease))
            self._apply(())
        self.notice_lost_sessions()

    def notice_lost_sessions(self) -> None:
        """Tell every session that is awake whether its lease is gone."""
        for session in list(self._sessions):
            if session.stalled:
                continue
            left = self.store.read(LeaseTimeToLive(session.lease))
            if isinstance(left, LeaseTimeToLiveReply) and left.remaining_ms < 0:
                self._sessions.remove(session)
                session.lost.set()

    @property
    def sessions(self) -> tuple["LocalSession", ...]:
        """The sessions that are open, in the order they were made."""
        return tuple(self._sessions)

    def follow(self, watch: "LocalWatch") -> None:
        """Start feeding a watch."""
        self._watches.append(watch)

    def forget(self, watch: "LocalWatch") -> None:
        """Stop feeding a watch."""
        if watch in self._watches:
            self._watches.remove(watch)

    def cut_watches(self) -> None:
        """Hide what happens from the watches there are, as a partition does."""
        self._cut, self._watches = self._watches, []

    def fail_cut_watches(self) -> None:
        """Let the watches that were cut learn that compaction has overtaken them."""
        for watch in self._cut:
            watch.fail(error_from(ErrorCode.COMPACTED))
        self._cut = []

    def join(self, session: "LocalSession") -> None:
        """Renew this session's lease from now on."""
        self._sessions.append(session)

    def leave(self, session: "LocalSession") -> None:
        """Renew this session's lease no more."""
        if session in self._sessions:
            self._sessions.remove(session)

    def _apply(self, frames: tuple[WriteFrame, ...]) -> tuple[tuple[Reply, ...], ...]:
        index = LogIndex(self.store.applied_index + 1)
        applied = self.store.apply(index, Batch(self._time_ms, frames))
        if applied.first_revision <= applied.last_revision:
            for events in self.store.events(applied.first_revision, applied.last_revision):
                for watch in list(self._watches):
                    watch.feed(events)
        return applied.replies


class LocalSession:
    """A lease renewed by `LocalCluster.advance` until stalled; awaited or entered to start."""

    def __init__(self, cluster: LocalCluster, ttl_ms: int) -> None:
        self.lease = 0
        self.ttl_ms = ttl_ms
        self.lost = asyncio.Event()
        self.stalled = False
        self._cluster = cluster

    def __await__(self) -> Generator[object, None, Self]:
        return self.__aenter__().__await__()

    async def __aenter__(self) -> Self:
        granted = _expect(self._cluster.write(LeaseGrant(self.ttl_ms)), LeaseGrantReply)
        self.lease = granted.lease
        self.ttl_ms = granted.ttl_ms
        self._cluster.join(self)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def stall(self) -> None:
        """Stop renewing, and noticing anything, as a frozen process does."""
        self.stalled = True

    def wake(self) -> None:
        """Notice again."""
        self.stalled = False
        self._cluster.notice_lost_sessions()

    async def close(self) -> None:
        """Revoke the lease."""
        self._cluster.leave(self)
        self._cluster.write(LeaseRevoke(self.lease))


class LocalWatch:
    """Events of a range from a revision on."""

    def __init__(
        self,
        cluster: LocalCluster,
        key: bytes,
        end: bytes,
        start_revision: int,
        no_delete: bool,
    ) -> None:
        self._cluster = cluster
        self._start_revision = start_revision
        self._no_delete = no_delete
        self._key = key
        self._end = end
        self._waiting: deque[WatchBatch] = deque()
        self._arrived = asyncio.Event()
        self._error: CoordError | None = None
        self._cancelled = False
        if start_revision:
            self._catch_up(start_revision)
        cluster.follow(self)

    def feed(self, events: Iterable[Event]) -> None:
        """Take the events of one revision; those outside the range are passed over."""
        mine = tuple(event for event in events if self._wants(event))
        if mine:
            self._waiting.append(WatchBatch(mine, mine[-1].kv.mod_revision))
            self._arrived.set()

    def fail(self, error: CoordError) -> None:
        """End with an error once what has arrived is taken."""
        self._error = error
        self._arrived.set()

    async def cancel(self) -> None:
        """Stop; an iteration under way ends."""
        self._cluster.forget(self)
        self._cancelled = True
        self._arrived.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> WatchBatch:
        while not self._waiting:
            if self._error is not None:
                raise self._error
            if self._cancelled:
                raise StopAsyncIteration
            self._arrived.clear()
            await self._arrived.wait()
        return self._waiting.popleft()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.cancel()

    def _catch_up(self, start_revision: int) -> None:
        store = self._cluster.store
        if start_revision < store.compact_revision:
            self._error = error_from(ErrorCode.COMPACTED)
        elif start_revision <= store.revision:
            for events in store.events(start_revision, store.revision):
                self.feed(events)

    def _wants(self, event: Event) -> bool:
        if event.kv.mod_revision < self._start_revision:
            return False
        if self._no_delete and event.kind is EventKind.DELETE:
            return False
        key = event.kv.key
        if not self._end:
            return key == self._key
        return self._key <= key and (self._end == ops.FROM_KEY_END or key < self._end)


class LocalClient:
    """The methods recipes use, answered by the local store at once."""

    def __init__(self, cluster: LocalCluster) -> None:
        self.cluster = cluster
        self._answers_to_lose = 0
        self._requests_to_lose = 0

    def lose_answers(self, count: int = 1) -> None:
        """Apply the next `count` writes, yet report each as MaybeDone."""
        self._answers_to_lose = count

    def lose_requests(self, count: int = 1) -> None:
        """Drop the next `count` writes, and report each as MaybeDone."""
        self._requests_to_lose = count

    async def put(self, key: Text, value: Text = b"", **options: Any) -> PutReply:
        """See Client.put."""
        return self._write(ops.put(key, value, **options), PutReply)

    async def get(self, key: Text, **options: Any) -> RangeReply:
        """See Client.get."""
        options.pop("serializable", None)
        return self._read(ops.get(key, **options), RangeReply)

    async def delete(self, key: Text, **options: Any) -> DeleteReply:
        """See Client.delete."""
        return self._write(ops.delete(key, **options), DeleteReply)

    async def txn(
        self,
        compare: Iterable[Compare] = (),
        success: Iterable[TxnOp] = (),
        failure: Iterable[TxnOp] = (),
    ) -> TxnReply:
        """See Client.txn."""
        return self._write(ops.txn(compare, success, failure), TxnReply)

    async def claim(self, source: Text, target: Text, lease: int, limit: int = 1) -> ClaimReply:
        """See Client.claim."""
        return self._write(ops.claim(source, target, lease, limit), ClaimReply)

    async def give_back(self, key: Text, create_revision: int) -> GiveBackReply:
        """See Client.give_back."""
        return self._write(ops.give_back(key, create_revision), GiveBackReply)

    async def grant(self, ttl_ms: int, lease: int = 0) -> LeaseGrantReply:
        """See Client.grant."""
        return self._write(LeaseGrant(ttl_ms, lease), LeaseGrantReply)

    async def revoke(self, lease: int) -> LeaseRevokeReply:
        """See Client.revoke."""
        return self._write(LeaseRevoke(lease), LeaseRevokeReply)

    async def keep_alive(self, lease: int) -> LeaseKeepAliveReply:
        """See Client.keep_alive."""
        return self._write(LeaseKeepAlive(lease), LeaseKeepAliveReply)

    def session(self, ttl_ms: int = 10_000) -> LocalSession:
        """See Client.session."""
        return LocalSession(self.cluster, ttl_ms)

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
        """See Client.watch."""
        start, end = ops.key_range(key, range_end, prefix, from_key)
        return LocalWatch(self.cluster, start, end, start_revision, no_delete)

    def _write(self, op: WriteOp, kind: type[R]) -> R:
        if self._requests_to_lose:
            self._requests_to_lose -= 1
            raise MaybeDone("the request was lost", ErrorCode.LOST_ANSWER)
        reply = self.cluster.write(op)
        if self._answers_to_lose:
            self._answers_to_lose -= 1
            raise MaybeDone("the answer was lost", ErrorCode.LOST_ANSWER)
        return _expect(reply, kind)

    def _read(self, op: ReadOp, kind: type[R]) -> R:
        return _expect(self.cluster.store.read(op), kind)


def _expect(reply: Reply, kind: type[R]) -> R:
    if isinstance(reply, ErrorReply):
        raise error_from(ErrorCode(reply.code), reply.detail)
    assert isinstance(reply, kind), reply
    return reply
