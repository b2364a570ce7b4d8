"""Consumer: one session's hands on a queue; see `recipes.queue` for the guarantee.

Answers lost on the way are looked up, not guessed: a claim whose answer never came is found under
the consumer's own prefix, the end of an attempt by a marker that only it can have left.
"""

import contextlib
from collections.abc import Callable, Iterable

import msgspec
from attrs import frozen

from coord.client import ops
from coord.errors import ErrorCode, MaybeDone, Misuse
from coord.model import KeyValue
from coord.requests import Claim, Compare, DeleteRange, GiveBack, Txn, TxnOp
from recipes.claims import Claimer, Shape
from recipes.errors import NotHolder, SessionLost, StaleClaim
from recipes.idle import IdleLine
from recipes.port import Batches, Gate, KeptLease, KeyStore, only
from recipes.queue import Claimed, Done, Queue, id_bytes, id_text

_ID_BYTES = 64
CAUSE_CHARS_MAX = 10_000  # of a failed attempt's cause; the rest is cut off


@frozen
class Marker:
    """What tells, when an answer was lost, whether a settlement went through: a key it wrote.

    `ours` says of the key as found whether it was this very settlement that wrote it.
    """

    key: bytes
    ours: Callable[[KeyValue], bool]


class Consumer:
    """Takes items for one worker, under its session.

    A name belongs to one living consumer at a time. One coroutine takes; any number complete.
    With a gate nothing is taken while that is shut; it is part of each claim's transaction.

    Raises:
        Misuse: a name that is empty, has a slash, or is too long for keys.
    """

    def __init__(
        self, queue: Queue, session: KeptLease, name: str, gate: Gate | None = None
    ) -> None:
        if not name or "/" in name:
            raise Misuse(
                f"consumer name {name!r}; not empty and without a slash", ErrorCode.INVALID_OPTION
            )
        ops.key_bytes(queue.held + name.encode() + b"/" + bytes(_ID_BYTES))
        self._queue = queue
        self._client: KeyStore = queue.client
        self._session = session
        self.name = name
        self._target = queue.held + name.encode() + b"/"
        self._gate = gate
        client, source, target, guards = queue.client, queue.ready, self._target, self._guards
        shape = _Shape(queue, name, gate) if gate or not queue.in_order else None
        self._claimer = Claimer(client, session, source, target, guards, shape)
        self._idle = IdleLine(
            client, self._claimer, queue.idle, name.encode(), self._opening, self._arrival
        )

    @property
    def holding(self) -> tuple[Claimed, ...]:
        """What was taken and neither completed nor given back, oldest claim first."""
        return tuple(self._claimed(kv) for kv in self._claimer.holding.values())

    async def take(self, limit: int = 1) -> list[Claimed]:
        """Take up to `limit` items, waiting until there is at least one.

        Cancelled, it gives back at once what it may have taken; that counts as an attempt.

        Raises:
            SessionLost: the session ended while waiting.
        """
        while True:
            if fit := await self._fit(await self._idle.claim(limit)):
                return fit

    async def try_take(self, limit: int = 1) -> list[Claimed]:
        """Take up to `limit` items that are ready now; an empty list when there are none.

        Items claimed more often than the queue allows are buried on the way.
        """
        if self._session.lost.is_set():
            raise SessionLost
        while found := await self._claimer.try_claim(limit):
            if fit := await self._fit(found):
                return fit
        return []

    async def complete(
        self, item: Claimed, result: object = None, also: Iterable[TxnOp] = ()
    ) -> int:
        """Record an item as done, in one transaction with `also`, and let go of it.

        Args:
            item: what `take` handed out.
            result: anything JSON can say; kept in the item's record.
            also: further operations that must happen exactly if the completion does.

        Returns:
            The revision of the completion.

        Raises:
            StaleClaim: the claim has ended; nothing was written.
            NotHolder: another consumer took it; nothing was asked.
            Misuse: the result is nothing that JSON can say; the item is still held.
        """
        raw = _json(result)
        record = msgspec.json.encode(Done(item.token, self.name, item.attempt, raw))
        done = self._queue.done + id_bytes(item.id)

        def ours(kv: KeyValue) -> bool:
            return msgspec.json.decode(kv.value, type=Done).token == item.token

        ending = [ops.delete(item.key), *self._queue.completing(item)]
        steps = [ops.put(done, record), *ending, *also]
        return await self.settle(item, steps, Marker(done, ours))

    async def give_back(self, item: Claimed) -> bool:
        """Return an item to its place in line at once; the attempt counts.

        Returns:
            Whether it was still held; True also when an answer was lost and it is held no more.

        Raises:
            NotHolder: another consumer took it; nothing was asked.
        """
        self._check_own(item)
        in_doubt = False
        while True:
            try:
                reply = await self._client.give_back(item.key, item.token)
            except MaybeDone:
                in_doubt = True
                continue
            self._claimer.let_go(item.key)
            return reply.moved or in_doubt

    async def fail(self, item: Claimed, cause: str) -> bool:
        """Record a failed attempt: the item goes back in line, or is buried after its last one.

        Returns:
            Whether it will be tried again.

        Raises:
            StaleClaim: the claim has ended; nothing was written.
        """
        if item.attempt >= self._queue.settings.attempts_max:
            await self.bury(item, cause)
            return False
        await self._end_attempt(item, cause, ops.give_back(item.key, item.token))
        return True

    async def bury(self, item: Claimed, cause: str) -> None:
        """Give an item up before its last attempt.

        Raises:
            StaleClaim: the claim has ended; nothing was written.
        """
        dead = ops.put(self._queue.dead + id_bytes(item.id), self._queue.packed(item))
        await self._end_attempt(item, cause, dead, ops.delete(item.key))

    async def settle(self, item: Claimed, steps: Iterable[TxnOp], marker: Marker) -> int:
        """End an item's claim your own way, by `steps`, in one transaction the claim guards.

        Repeated until the outcome is known, lost answers included.

        Args:
            item: what `take` handed out.
            steps: what to do; one of them deletes `item.key` or gives it back.
            marker: tells that the steps were done, when their answer was lost; one of them
                writes its key.

        Returns:
            The revision of the settlement.

        Raises:
            StaleClaim: the claim has ended otherwise; nothing was written.
            NotHolder: another consumer took it; nothing was asked.
            Misuse: none of the steps ends the claim; nothing was asked.
        """
        self._check_own(item)
        steps = tuple(steps)
        if not any(_ends(step, item.key) for step in steps):
            raise Misuse("no step deletes the item's key or gives it back")
        while True:
            try:
                reply = await self._client.txn(compare=[item.guard()], success=steps)
            except MaybeDone:
                revision = await self._settled_at(marker)
                if not revision:
                    continue
            else:
                # An earlier try of ours may have got through and lost only its answer.
                revision = reply.revision if reply.succeeded else await self._settled_at(marker)
            self._claimer.let_go(item.key)
            if not revision:
                raise StaleClaim
            return revision

    async def recover(self) -> tuple[Claimed, ...]:
        """Look up everything this consumer holds, claims whose answers never came included."""
        return tuple(self._claimed(kv) for kv in await self._claimer.recover())

    def _guards(self) -> tuple[Compare, ...]:
        return () if self._gate is None else (self._gate.guard(),)

    def _claimed(self, kv: KeyValue) -> Claimed:
        item = id_text(kv.key.removeprefix(self._target))
        found = Claimed(item, kv.key, kv.value, kv.create_revision, kv.claims)
        return self._queue.unpacked(found)

    def _check_own(self, item: Claimed) -> None:
        """Raise NotHolder for what hangs on another consumer's name."""
        if item.key != self._target + id_bytes(item.id):
            raise NotHolder(f"{item.id} was not taken by {self.name}")

    async def _settled_at(self, marker: Marker) -> int:
        found = only(await self._client.get(marker.key))
        return found.mod_revision if found is not None and marker.ours(found) else 0

    async def _fit(self, found: list[KeyValue]) -> list[Claimed]:
        """Return what may be handed out of what was claimed, and bury the rest."""
        items = [self._claimed(kv) for kv in found]
        fit = [item for item in items if item.attempt <= self._queue.settings.attempts_max]
        for item in items:
            if item not in fit:
                with contextlib.suppress(StaleClaim):
                    await self.bury(item, "claimed too often without an outcome")
        return fit

    async def _end_attempt(self, item: Claimed, cause: str, *steps: TxnOp) -> None:
        """Note why an attempt came to nothing and do `steps`."""
        key = self._queue.tries(item.id) + f"{item.attempt:04}".encode()
        note = ops.put(key, cause[:CAUSE_CHARS_MAX])
        marker = Marker(key, lambda kv: kv.value == note.value)
        await self.settle(item, (note, *steps), marker)

    async def _arrival(self) -> None:
        if isinstance(self._gate, Batches):
            await self._gate.arrival(self._claimer.arrival)
        else:
            await self._claimer.arrival()

    async def _opening(self) -> None:
        if self._gate is not None:
            await self._gate.wait()


def _ends(step: TxnOp, key: bytes) -> bool:
    match step:
        case DeleteRange() | GiveBack():
            return step.key == key
        case Txn():
            return any(_ends(each, key) for each in step.success)
        case _:
            return False


def _json(result: object) -> msgspec.Raw:
    try:
        return msgspec.Raw(msgspec.json.encode(result))
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise Misuse(f"a result that JSON cannot say: {error}") from error


class _Shape:
    """How a consumer claims: by its gate's ways, and by its queue's where the gate has none."""

    def __init__(self, queue: Queue, name: str, gate: object) -> None:
        self._queue, self._name = queue, name
        self._gate = gate if isinstance(gate, Shape) else None

    def claiming(self, claim: Claim) -> TxnOp:
        step = claim if self._gate is None else self._gate.claiming(claim)
        return self._queue.claiming(claim, self._name) if step is claim else step

    def empty(self, source: bytes) -> Compare:
        if self._gate is not None:
            return self._gate.empty(source)
        return ops.missing(source, prefix=True)
