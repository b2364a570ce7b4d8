"""Consumer: one session's hands on a queue; see `recipes.queue` for the guarantee.

Answers lost on the way are looked up, not guessed: a claim whose answer never came is found under
the consumer's own prefix, a completion by the token in the item's record.
"""

from collections.abc import Iterable

import msgspec

from coord.client import ops
from coord.errors import ErrorCode, MaybeDone, Refused
from coord.model import KeyValue
from coord.requests import ClaimReply, TxnOp
from recipes.errors import SessionLost, StaleClaim, session_ends
from recipes.port import Gate, KeptLease, KeyStore, next_batch, only
from recipes.queue import Claimed, Done, Queue
from recipes.waiting import while_kept

CAUSE_CHARS_MAX = 10_000  # of a failed attempt's cause; the rest is cut off


class Consumer:
    """Takes items for one worker, under its session.

    A name belongs to one living consumer at a time. One coroutine takes; any number complete.
    With a gate nothing is taken while that is shut; it is part of each claim's transaction.
    """

    def __init__(
        self, queue: Queue, session: KeptLease, name: str, gate: Gate | None = None
    ) -> None:
        if not name or "/" in name:
            raise ValueError(f"consumer name {name!r}; not empty and without a slash")
        self._queue = queue
        self._client: KeyStore = queue.client
        self._session = session
        self.name = name
        self._target = queue.held + name.encode() + b"/"
        self._holding: dict[bytes, Claimed] = {}
        self._gate = gate
        self._shut = False
        self._empty_at = 0
        self._in_doubt = False

    @property
    def holding(self) -> tuple[Claimed, ...]:
        """What was taken and neither completed nor given back, oldest claim first."""
        return tuple(self._holding.values())

    async def take(self, limit: int = 1) -> list[Claimed]:
        """Take up to `limit` items, waiting until there is at least one.

        Raises:
            SessionLost: the session ended while waiting.
        """
        while True:
            taken = await self.try_take(limit)
            if taken:
                return taken
            if self._gate is not None and self._shut:
                await while_kept(self._session, _opening(self._gate))
            else:
                await while_kept(self._session, self._arrival())

    async def try_take(self, limit: int = 1) -> list[Claimed]:
        """Take up to `limit` items that are ready now; an empty list when there are none.

        Items claimed more often than the queue allows are buried on the way.
        """
        if self._session.lost.is_set():
            raise SessionLost
        while True:
            found = await self._claim(limit)
            fit = [item for item in found if item.attempt <= self._queue.settings.attempts_max]
            for item in found:
                if item not in fit:
                    await self._bury(item, "claimed too often without an outcome")
            if fit or not found:
                return fit

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
        """
        raw = msgspec.Raw(msgspec.json.encode(result))
        record = msgspec.json.encode(Done(item.token, self.name, item.attempt, raw))
        done = self._queue.done + item.id.encode()
        steps = [ops.put(done, record), ops.delete(item.key), *also]
        revision = 0
        while not revision:
            try:
                reply = await self._client.txn(compare=[item.guard()], success=steps)
            except MaybeDone:
                revision = await self._completed_at(done, item.token)
                continue
            self._holding.pop(item.key, None)
            # An earlier try of ours may have got through and lost only its answer.
            revision = reply.revision
            if not reply.succeeded:
                revision = await self._completed_at(done, item.token)
                if not revision:
                    raise StaleClaim
        self._holding.pop(item.key, None)
        return revision

    async def give_back(self, item: Claimed) -> bool:
        """Return an item to its place in line at once; the attempt counts.

        Returns:
            Whether it was still held.
        """
        reply = await self._client.give_back(item.key, item.token)
        self._holding.pop(item.key, None)
        return reply.moved

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
        if not await self._end_attempt(item, cause, ops.give_back(item.key, item.token)):
            raise StaleClaim
        return True

    async def bury(self, item: Claimed, cause: str) -> None:
        """Give an item up before its last attempt.

        Raises:
            StaleClaim: the claim has ended; nothing was written.
        """
        if not await self._bury(item, cause):
            raise StaleClaim

    async def recover(self) -> tuple[Claimed, ...]:
        """Look up everything this consumer holds, claims whose answers never came included."""
        await self._unnoticed()
        return self.holding

    async def _claim(self, limit: int) -> list[Claimed]:
        while True:
            try:
                with session_ends():
                    reply = await self._ask(limit)
                break
            except MaybeDone:
                self._in_doubt = True
                if fresh := await self._unnoticed():
                    return fresh
        fresh = [self._claimed(kv) for kv in reply.kvs]
        self._holding.update((item.key, item) for item in fresh)
        self._empty_at = reply.revision
        if self._in_doubt:
            # The doubtful claim may have been carried out late, but not after this one.
            fresh += await self._unnoticed()
            self._in_doubt = False
        return fresh

    async def _ask(self, limit: int) -> ClaimReply:
        """Claim, unless the gate is shut."""
        source, target, lease = self._queue.ready, self._target, self._session.lease
        if self._gate is None:
            return await self._client.claim(source, target, lease, limit)
        reply = await self._client.txn(
            compare=[self._gate.guard()], success=[ops.claim(source, target, lease, limit)]
        )
        self._shut = not reply.succeeded
        if self._shut:
            return ClaimReply(reply.revision)
        claimed = reply.replies[0]
        assert isinstance(claimed, ClaimReply)
        return claimed

    async def _unnoticed(self) -> list[Claimed]:
        """Find what hangs on our lease, under our name, by a claim whose answer was lost."""
        held = await self._client.get(self._target, prefix=True)
        found = [self._claimed(kv) for kv in held.kvs if kv.lease == self._session.lease]
        fresh = [item for item in found if self._holding.get(item.key) != item]
        self._holding.update((item.key, item) for item in fresh)
        return fresh

    def _claimed(self, kv: KeyValue) -> Claimed:
        item = kv.key.removeprefix(self._target).decode()
        return Claimed(item, kv.key, kv.value, kv.create_revision, kv.claims)

    async def _arrival(self) -> None:
        """Return when something arrived since the queue was last found empty, or may have."""
        try:
            watching = self._client.watch(
                self._queue.ready,
                prefix=True,
                start_revision=self._empty_at + 1,
                no_delete=True,
            )
            async with watching as watch:
                await next_batch(watch)
        except Refused as error:
            # What arrived since is hidden by compaction: worth a look.
            if error.code is not ErrorCode.COMPACTED:
                raise

    async def _completed_at(self, done: bytes, token: int) -> int:
        record = only(await self._client.get(done))
        if record is None or msgspec.json.decode(record.value, type=Done).token != token:
            return 0
        return record.mod_revision

    async def _bury(self, item: Claimed, cause: str) -> bool:
        dead = ops.put(self._queue.dead + item.id.encode(), item.body)
        return await self._end_attempt(item, cause, dead, ops.delete(item.key))

    async def _end_attempt(self, item: Claimed, cause: str, *steps: TxnOp) -> bool:
        """Note why an attempt came to nothing and do `steps`, if the claim still stands."""
        key = self._queue.tries(item.id) + f"{item.attempt:04}".encode()
        note = ops.put(key, cause[:CAUSE_CHARS_MAX])
        reply = await self._client.txn(compare=[item.guard()], success=[note, *steps])
        self._holding.pop(item.key, None)
        return reply.succeeded


async def _opening(gate: Gate) -> None:
    await gate.wait()
