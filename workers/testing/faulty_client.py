"""A client of the local store some of whose writes go wrong, as a test wants it."""

import asyncio
from collections.abc import Iterable
from enum import Enum

from coord.errors import ErrorCode, MaybeDone
from coord.requests import Compare, Range, TxnOp, TxnReply
from coord.testing.local import LocalClient, LocalCluster


class Fault(Enum):
    """What becomes of one write."""

    LOSE_REQUEST = "it never arrives, and its sender cannot know"
    LOSE_ANSWER = "it is done, and its sender is not told"
    HANG_BEFORE = "it never arrives, and its sender hears nothing"
    HANG_AFTER = "it is done, and its sender hears nothing"


class FaultyClient(LocalClient):
    """Transactions that write are counted from 1; `faults` says what becomes of which."""

    def __init__(self, cluster: LocalCluster) -> None:
        super().__init__(cluster)
        self.faults: dict[int, Fault] = {}
        self.writes = 0
        self.held_up = 0
        self._open = asyncio.Event()
        self._open.set()

    def hold_up(self) -> None:
        """Let what writes from now on be on its way until `go_on`."""
        self._open.clear()

    def go_on(self) -> None:
        """Let it arrive."""
        self._open.set()

    async def txn(
        self,
        compare: Iterable[Compare] = (),
        success: Iterable[TxnOp] = (),
        failure: Iterable[TxnOp] = (),
    ) -> TxnReply:
        """See Client.txn."""
        steps = tuple(success)
        if all(isinstance(step, Range) for step in steps):
            return await super().txn(compare, steps, failure)
        self.held_up += 1
        await self._open.wait()
        self.held_up -= 1
        self.writes += 1
        fault = self.faults.get(self.writes)
        if fault is Fault.HANG_BEFORE:
            await asyncio.Event().wait()
        if fault is Fault.LOSE_REQUEST:
            raise MaybeDone("the request was lost", ErrorCode.LOST_ANSWER)
        reply = await super().txn(compare, steps, failure)
        if fault is Fault.HANG_AFTER:
            await asyncio.Event().wait()
        if fault is Fault.LOSE_ANSWER:
            raise MaybeDone("the answer was lost", ErrorCode.LOST_ANSWER)
        return reply
