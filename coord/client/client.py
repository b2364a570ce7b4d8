"""The asyncio face: one method per request, each building a struct and awaiting its answer.

No protocol here: retries, numbering and routing are the core's, sockets are the pump's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Iterable
from types import TracebackType
from typing import Any, cast

from coord.client import ops
from coord.client.node_calls import NodeCalls
from coord.client.ops import Text
from coord.client.pump import Pump
from coord.client.session import Session
from coord.client.settings import Settings
from coord.client.watch import Watch
from coord.frames import WatchCreate
from coord.requests import (
    ClaimReply,
    Compact,
    CompactReply,
    Compare,
    DeleteReply,
    GiveBackReply,
    LeaseGrantReply,
    LeaseKeepAlive,
    LeaseKeepAliveReply,
    LeaseList,
    LeaseListReply,
    LeaseRevoke,
    LeaseRevokeReply,
    LeaseTimeToLive,
    LeaseTimeToLiveReply,
    PutReply,
    RangeReply,
    SortOrder,
    SortTarget,
    TxnOp,
    TxnReply,
    WriteOp,
)


class Client(NodeCalls):
    """A handle on a cluster, for one event loop. Made by `coord.aio.connect`.

    Making it touches nothing; the first request connects. `await client` connects now;
    `async with` closes at the end. Leader changes and reconnects show as latency only.

    Every request raises

    * NotDone (Unavailable, Refused) when it certainly did not happen,
    * MaybeDone when its answer is unknown at the deadline: look before repeating a write,
    * Misuse when it can never succeed; most of these are found before anything is sent.

    A request whose awaiting task is canceled may still happen, like one that is maybe done.
    `timeout_ms` of each request counts from the call; None means the client's default.
    """

    def __init__(self, settings: Settings) -> None:
        self._pump = Pump(settings)
        self._sessions: set[Session] = set()

    def __await__(self) -> Generator[object, None, Client]:
        yield from self._pump.start().__await__()
        return self

    async def __aenter__(self) -> Client:
        return await self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End sessions (revoking their leases, for at most a second), watches and connections.

        Requests still waiting end with NotDone if they never left, else MaybeDone.
        """
        await asyncio.gather(*(session.close() for session in list(self._sessions)))
        await self._pump.close()

    # --- keys ---

    async def put(
        self,
        key: Text,
        value: Text = b"",
        *,
        lease: int = 0,
        prev_kv: bool = False,
        ignore_value: bool = False,
        ignore_lease: bool = False,
        sequence: bool = False,
        timeout_ms: float | None = None,
    ) -> PutReply:
        """Write one key.

        Args:
            key: 1 to 4096 bytes.
            value: at most 1 MiB.
            lease: the key vanishes with this lease; 0 for none.
            prev_kv: answer with what the key was before.
            ignore_value: keep the value the key has; it must exist.
            ignore_lease: keep the lease the key has; it must exist.
            sequence: append the revision to the key, in fixed width; the answer tells the key.
            timeout_ms: see the class.

        Raises:
            Refused: LEASE_NOT_FOUND, KEY_NOT_FOUND.
        """
        request = ops.put(
            key,
            value,
            lease=lease,
            prev_kv=prev_kv,
            ignore_value=ignore_value,
            ignore_lease=ignore_lease,
            sequence=sequence,
        )
        if not self._pump.is_running:
            await self._pump.start()
        return cast(PutReply, await self._pump.write(request, timeout_ms))

    async def get(
        self,
        key: Text,
        *,
        range_end: Text | None = None,
        prefix: bool = False,
        from_key: bool = False,
        limit: int = 0,
        revision: int = 0,
        sort_order: SortOrder = SortOrder.NONE,
        sort_target: SortTarget = SortTarget.KEY,
        serializable: bool = False,
        keys_only: bool = False,
        count_only: bool = False,
        min_mod_revision: int = 0,
        max_mod_revision: int = 0,
        min_create_revision: int = 0,
        max_create_revision: int = 0,
        timeout_ms: float | None = None,
    ) -> RangeReply:
        """Read a key, or the keys of a range.

        Args:
            key: the key, or the start of the range.
            range_end: read [key, range_end).
            prefix: read every key that starts with `key`; empty for all.
            from_key: read every key from `key` on.
            limit: at most so many keys; 0 for all. The answer's `more` tells whether some are left.
            revision: as the store was then; 0 for now.
            serializable: from what one node has, without asking the leader: fast, maybe stale.
            keys_only: leave out values.
            count_only: only count.
            sort_order: NONE, ASCEND or DESCEND.
            sort_target: what to sort by.
            min_mod_revision: leave out keys last written before it.
            max_mod_revision: leave out keys last written after it.
            min_create_revision: leave out keys made before it.
            max_create_revision: leave out keys made after it.
            timeout_ms: see the class.

        Raises:
            Refused: COMPACTED, FUTURE_REVISION, REPLY_TOO_LARGE.
        """
        request = ops.get(
            key,
            range_end=range_end,
            prefix=prefix,
            from_key=from_key,
            limit=limit,
            revision=revision,
            sort_order=sort_order,
            sort_target=sort_target,
            keys_only=keys_only,
            count_only=count_only,
            min_mod_revision=min_mod_revision,
            max_mod_revision=max_mod_revision,
            min_create_revision=min_create_revision,
            max_create_revision=max_create_revision,
        )
        return cast(RangeReply, await self._read(request, timeout_ms, serializable))

    async def delete(
        self,
        key: Text,
        *,
        range_end: Text | None = None,
        prefix: bool = False,
        from_key: bool = False,
        prev_kv: bool = False,
        timeout_ms: float | None = None,
    ) -> DeleteReply:
        """Delete a key, or the keys of a range (see `get` for how one is named)."""
        request = ops.delete(
            key, range_end=range_end, prefix=prefix, from_key=from_key, prev_kv=prev_kv
        )
        return cast(DeleteReply, await self._write(request, timeout_ms))

    async def txn(
        self,
        compare: Iterable[Compare] = (),
        success: Iterable[TxnOp] = (),
        failure: Iterable[TxnOp] = (),
        *,
        timeout_ms: float | None = None,
    ) -> TxnReply:
        """If every compare holds do `success`, else `failure`; all at one revision, or nothing.

        Build the parts with `coord.ops`.
        """
        request = ops.txn(compare, success, failure)
        ask = self._read if ops.is_read_only(request) else self._write
        return cast(TxnReply, await ask(request, timeout_ms))

    async def claim(
        self,
        source: Text,
        target: Text,
        lease: int,
        limit: int = 1,
        *,
        timeout_ms: float | None = None,
    ) -> ClaimReply:
        """Move the first `limit` keys under `source`, in key order, to `target` under `lease`.

        Each goes back by itself when the lease ends. The answer's keys are where they are now;
        the `create_revision` of each is the token of its claim.
        """
        return cast(
            ClaimReply, await self._write(ops.claim(source, target, lease, limit), timeout_ms)
        )

    async def give_back(
        self, key: Text, create_revision: int, *, timeout_ms: float | None = None
    ) -> GiveBackReply:
        """Return one claimed key to where it was, if the claim with that token still stands."""
        return cast(
            GiveBackReply, await self._write(ops.give_back(key, create_revision), timeout_ms)
        )

    async def compact(self, revision: int, *, timeout_ms: float | None = None) -> CompactReply:
        """Forget history before `revision`."""
        ops.natural(revision=revision)
        return cast(CompactReply, await self._write(Compact(revision), timeout_ms))

    # --- leases ---

    async def grant(
        self, ttl_ms: int, lease: int = 0, *, timeout_ms: float | None = None
    ) -> LeaseGrantReply:
        """Make a lease of `ttl_ms` milliseconds; `lease` 0 lets the store choose its id.

        Nobody renews it: see `session` for one that is kept.
        """
        return cast(LeaseGrantReply, await self._write(ops.grant(ttl_ms, lease), timeout_ms))

    async def revoke(self, lease: int, *, timeout_ms: float | None = None) -> LeaseRevokeReply:
        """End a lease now; its keys go, claimed keys return. Refused: LEASE_NOT_FOUND."""
        ops.natural(lease=lease)
        return cast(LeaseRevokeReply, await self._write(LeaseRevoke(lease), timeout_ms))

    async def keep_alive(
        self, lease: int, *, timeout_ms: float | None = None
    ) -> LeaseKeepAliveReply:
        """Renew a lease once. The answer's `ttl_ms` 0 means it is unknown or has ended."""
        ops.natural(lease=lease)
        return cast(LeaseKeepAliveReply, await self._write(LeaseKeepAlive(lease), timeout_ms))

    async def time_to_live(
        self, lease: int, keys: bool = False, *, timeout_ms: float | None = None
    ) -> LeaseTimeToLiveReply:
        """Ask what remains of a lease, and with `keys` which keys hang on it."""
        ops.natural(lease=lease)
        return cast(
            LeaseTimeToLiveReply, await self._read(LeaseTimeToLive(lease, keys), timeout_ms)
        )

    async def leases(self, *, timeout_ms: float | None = None) -> LeaseListReply:
        """List the ids of all leases, the soonest to end first."""
        return cast(LeaseListReply, await self._read(LeaseList(), timeout_ms))

    def session(
        self,
        ttl_ms: int = 10_000,
        *,
        lease: int = 0,
        resume: bool = False,
        on_lost: Callable[[], None] | None = None,
    ) -> Session:
        """Make a lease, or take one up again, and keep it alive in the background.

        Args:
            ttl_ms: how long after the last sign of life the lease ends.
            lease: the id to use; 0 lets the store choose.
            resume: keep the lease of that id, made earlier and perhaps by another process, with
                the time to live it was made with; its keys are still there.
            on_lost: called once, on the event loop, when the lease is lost (not when closed).

        Returns:
            A session to `await` or to enter with `async with`; nothing is sent before that. Then
            a lease to be resumed that has ended is Refused: LEASE_NOT_FOUND.

        Raises:
            Misuse: resuming without a lease.
        """
        return Session(self, ttl_ms, lease, on_lost, resume)

    # --- watches ---

    def watch(
        self,
        key: Text,
        *,
        range_end: Text | None = None,
        prefix: bool = False,
        from_key: bool = False,
        start_revision: int = 0,
        prev_kv: bool = False,
        no_put: bool = False,
        no_delete: bool = False,
        progress: bool = False,
    ) -> Watch:
        """Follow a key or a range (see `get` for how one is named).

        Args:
            key: the key, or the start of the range.
            range_end: as in `get`.
            prefix: as in `get`.
            from_key: as in `get`.
            start_revision: the first revision wanted; 0 for what happens from now on.
            prev_kv: events carry what the key was before.
            no_put: leave out puts.
            no_delete: leave out deletes.
            progress: also hand out batches without events, when the cluster tells how far the
                watch is complete.

        Returns:
            A watch that is being made: iterate it, or `await` it first to know that it stands.
        """
        start, end = ops.key_range(key, range_end, prefix, from_key)
        ops.natural(start_revision=start_revision)
        return self._pump.watch(
            WatchCreate(0, start, end, start_revision, prev_kv, no_put, no_delete, progress)
        )

    # --- what the face's own parts need ---

    async def _write(self, request: WriteOp, timeout_ms: float | None) -> Any:
        if not self._pump.is_running:
            await self._pump.start()
        return await self._pump.write(request, timeout_ms)

    def _keep(self, session: Session, sent_ms: float, lose: Callable[[], None]) -> None:
        self._sessions.add(session)
        self._pump.keep(session.lease, session.ttl_ms, sent_ms, lose)

    def _release(self, session: Session) -> None:
        self._sessions.discard(session)
        self._pump.release(session.lease)

    def _now_ms(self) -> float:
        return self._pump.now_ms()
