"""Batch gate: a gate that shuts again, and lets a queue through batch by batch.

Guarantee: each opening lets through exactly the items that were put into the queue before the
opening was written, in order, and those alone; what is put later waits for the next opening. The
condition counts anew from each opening: a size counts items put since, a signal must be given
again, a time runs again. An item that comes back to the line stays in its batch. A new opening
before the last batch is used up adds to it.

What breaks it: `put(first=True)` and ranks: what is put before others in line goes with their
batch. Queues that name items themselves have no batches.

Cost: as a gate; in a batch, one item to a claim.

Keys: as a gate's; the revision of NAME/open bounds the batch, for items are numbered by revision.
"""

from collections.abc import Awaitable, Callable, Sequence

from coord.client import ops
from coord.client.ops import Text
from coord.model import KeyValue
from coord.requests import Claim, Compare, CompareResult, CompareTarget, Txn, TxnOp
from recipes.conditions import Condition, Size, Time, leaves
from recipes.errors import NeverOpens
from recipes.gate import Gate, Guards, Opening, text_of
from recipes.gate_leaves import Epoch
from recipes.gate_records import Declared, decoded
from recipes.queue import Queue
from recipes.timer import Timer
from recipes.waiting import first_of

NEVER = -1  # no key was ever written at this revision


class BatchGate(Gate):
    """A gate of one queue; `condition` counts from the last opening.

    Raises:
        NeverOpens: it would open once and never again: a size of something else than the queue's
            items, a time of day; or a queue that is not in order of arrival.
    """

    _shuts_again = True

    def __init__(
        self,
        queue: Queue,
        name: Text,
        condition: Condition,
        *,
        timer: Timer | None = None,
        guards: Guards = tuple,
        also: Callable[[Opening], Sequence[TxnOp]] = lambda _: (),
    ) -> None:
        super().__init__(queue.client, name, condition, timer=timer, guards=guards, also=also)
        if not queue.in_order:
            raise NeverOpens("batches are for queues that number their items in order of arrival")
        text_of(queue.prefix)
        self._queue = queue
        self._counted = Epoch(0, 0)
        for leaf in leaves(condition):
            if isinstance(leaf, Size) and leaf.items.encode() != queue.ready:
                raise NeverOpens(f"in batches of {queue.ready!r}: {leaf} would open but once")
            if isinstance(leaf, Time) and leaf.at_unix_ms:
                raise NeverOpens(f"in batches: {leaf} would open but once")

    def guard(self) -> Compare:
        """Return the condition that makes a transaction fail when another batch was let through.

        That is: since this object last saw an opening; it holds never while there was none.
        """
        return ops.modified(self._latch, "==", self._seen or NEVER)

    def claiming(self, claim: Claim) -> TxnOp:
        """Return a claim of the first item of the batch; of none behind it."""
        one = ops.claim(claim.source, claim.target, claim.lease)
        return Txn((self.empty(claim.source),), (), (super().claiming(one),))

    def empty(self, source: bytes) -> Compare:
        """Return the condition that the batch is used up."""
        end = source + f"{self._seen:016x}".encode()
        return Compare(source, CompareTarget.CREATE, CompareResult.EQUAL, 0, end)

    async def wait(self) -> Opening:
        """Wait for an opening later than the last one this object saw."""
        opening, self._seen = await self._opened_after(self._seen)
        return opening

    async def arrival(self, arrival: Callable[[], Awaitable[None]]) -> None:
        """Return when the batch may have grown by `arrival`, or another was let through."""

        async def within() -> None:
            await arrival()

        await first_of(within(), self.wait())

    def _declaration(self) -> Declared:
        declared = super()._declaration()
        return Declared(declared.condition, declared.since_unix_ms, text_of(self._queue.prefix))

    def _epoch(self, latch: KeyValue | None, declared: Declared | None) -> Epoch:
        opening = decoded(latch, Opening)
        if latch is None or opening is None:
            return super()._epoch(None, declared)
        return Epoch(latch.mod_revision, opening.unix_ms)

    def _known_epoch(self) -> Epoch:
        return self._counted

    def _note_epoch(self, epoch: Epoch) -> None:
        self._counted = epoch

    def _unopened(self, latch: KeyValue | None) -> Compare:
        return ops.modified(self._latch, "==", latch.mod_revision if latch else 0)
