"""What is asked of nodes rather than of the store: how they are, who leads, what they hold.

Part of the asyncio client; apart only so that each half reads in one sitting.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, cast

from coord.client import ops
from coord.client.pump import Pump
from coord.client.reads import LEADER
from coord.errors import CoordError
from coord.requests import (
    HashReply,
    HashState,
    ReadOp,
    SnapshotNext,
    SnapshotPartReply,
    Status,
    StatusReply,
    TransferLeader,
    TransferReply,
)

STATUSES_TIMEOUT_MS = 2_000.0


class NodeCalls:
    """The methods of `coord.aio.Client` that ask nodes about themselves."""

    _pump: Pump

    async def status(
        self, endpoint: str | None = None, *, timeout_ms: float | None = None
    ) -> StatusReply:
        """Ask one node about itself: the one at `endpoint`, or the one this client reads from."""
        reply = await self._read(Status(), timeout_ms, serializable=True, endpoint=endpoint)
        return cast(StatusReply, reply)

    async def statuses(
        self, *, timeout_ms: float | None = None
    ) -> dict[str, StatusReply | CoordError]:
        """Ask every known node at once; where one does not answer, the error stands instead.

        `timeout_ms` None means two seconds here: a node that is down should not hold up the rest.
        """
        timeout_ms = STATUSES_TIMEOUT_MS if timeout_ms is None else timeout_ms
        with contextlib.suppress(CoordError):
            await self.status(timeout_ms=timeout_ms)  # whoever answers names the others
        endpoints = self._pump.endpoints()
        found = await asyncio.gather(
            *(self.status(endpoint, timeout_ms=timeout_ms) for endpoint in endpoints),
            return_exceptions=True,
        )
        answers: dict[str, StatusReply | CoordError] = {}
        for endpoint, answer in zip(endpoints, found, strict=True):
            if not isinstance(answer, (StatusReply, CoordError)):
                raise answer
            answers[endpoint] = answer
        return answers

    async def hash_state(
        self, endpoint: str | None = None, *, timeout_ms: float | None = None
    ) -> HashReply:
        """Ask one node for the hash of its store at its applied index."""
        reply = await self._read(HashState(), timeout_ms, serializable=True, endpoint=endpoint)
        return cast(HashReply, reply)

    async def snapshot_part(
        self,
        snapshot: int = 0,
        part: int = 0,
        endpoint: str | None = None,
        *,
        timeout_ms: float | None = None,
    ) -> SnapshotPartReply:
        """Take one part of a snapshot of one node's store; snapshot 0 starts one.

        Parts are numbered from 0 and taken in order; repeats after lost answers do no harm.
        """
        ops.natural(snapshot=snapshot, part=part)
        request = SnapshotNext(snapshot, part)
        reply = await self._read(
            request, timeout_ms, serializable=bool(snapshot), endpoint=endpoint
        )
        return cast(SnapshotPartReply, reply)

    async def transfer_leader(
        self, target: int = 0, *, timeout_ms: float | None = None
    ) -> TransferReply:
        """Ask the cluster to be led by node `target`; 0 lets the leader choose."""
        ops.natural(target=target)
        return cast(
            TransferReply, await self._read(TransferLeader(target), timeout_ms, True, LEADER)
        )

    async def _read(
        self,
        request: ReadOp,
        timeout_ms: float | None,
        serializable: bool = False,
        endpoint: str | None = None,
    ) -> Any:
        if not self._pump.is_running:
            await self._pump.start()
        return await self._pump.read(request, timeout_ms, serializable, endpoint or "")
