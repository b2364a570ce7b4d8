"""Gate: holds something back until its condition is met, then lets everybody pass, for good.

Guarantee: nobody passes before every part of the condition that is needed was met at some revision
(a part once met stays met); the first to see that leaves a latch in the store, and everybody
passes from then on. All who follow see the same events and find the same revision.

What breaks it: what is true for a moment while nobody follows, as a count that falls again. Let
whoever needs the gate wait for it, or a `GateWatch` keep it.

Cost: passing an open gate one round trip; waiting one read and a watch for each part, and one for
the latch; a part met and the opening one transaction each. No memory but for the counts.

Keys: NAME/declared, NAME/met/PART, NAME/open.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

import msgspec

from coord.client import ops
from coord.client.ops import Text
from coord.errors import ErrorCode, MaybeDone, Misuse, Refused
from coord.model import KeyValue
from coord.requests import Claim, Compare, Txn, TxnOp
from recipes.conditions import (
    Condition,
    Met,
    Present,
    Size,
    check_condition,
    leaves,
    reached,
    verdict,
)
from recipes.errors import GateDiffers, NotLeader
from recipes.gate_cycles import check_cycle
from recipes.gate_leaves import Epoch, judge, reads, until_met
from recipes.gate_records import Declared, Explanation, Look, all_of, decoded, first_of
from recipes.line import folder_of
from recipes.port import KeyStore, next_batch
from recipes.timer import Timer, WallTimer

Guards = Callable[[], Sequence[Compare]]
Opening = Met
"""What the latch says: the revision that opened the gate, what the last part came to, by whom."""


class Gate:
    """One gate, named by a key; its state is kept under that key.

    Args:
        client: whom to ask.
        name: of the gate.
        condition: what it waits for.
        timer: the clock of `Time` conditions, and of what is noted.
        guards: further conditions of every transaction that notes something, as an office.
        also: further operations of the transaction that opens it.

    Raises:
        NeverOpens: it would wait for ever.
        Misuse: no name, or one that ends with a slash or is too long.
    """

    _shuts_again = False

    def __init__(
        self,
        client: KeyStore,
        name: Text,
        condition: Condition,
        *,
        timer: Timer | None = None,
        guards: Guards = tuple,
        also: Callable[[Opening], Sequence[TxnOp]] = lambda _: (),
    ) -> None:
        check_condition(condition)
        self.condition = condition
        self._client = client
        self._timer = timer or WallTimer()
        self._guards = guards
        self._also = also
        self._leaves = leaves(condition)
        self._seen = 0
        self._name = folder_of(name)[:-1]
        self._declared = self._name + b"/declared"
        self._latch = self._name + b"/open"
        self._met = self._name + b"/met/"

    def claiming(self, claim: Claim) -> TxnOp:
        """Return a claim of the items this gate waited for, if they are there, else `claim`."""
        step: TxnOp = claim
        for leaf in reversed(self._leaves):
            if isinstance(leaf, Present) and claim.source == f"{leaf.queue}ready/".encode():
                item = leaf.item.encode()
                source, target = claim.source + item, claim.target + item
                first = ops.claim(source, target, claim.lease)
                step = Txn((ops.exists(source),), (first,), (step,))
        return step

    def empty(self, source: bytes) -> Compare:
        """Return the condition that nothing may be claimed under `source`."""
        return ops.missing(source, prefix=True)

    def guard(self) -> Compare:
        """Return the condition that makes a transaction fail while this gate is shut."""
        return ops.exists(self._latch)

    async def declare(self) -> None:
        """Leave word in the store what this gate waits for and since when; the first word stays.

        Raises:
            GateDiffers: a gate of this name waits for something else.
            NeverOpens: it waits for a gate that waits for it.
        """
        declared = self._declaration()
        while True:
            unchanged = await check_cycle(self._client, self._text_name, self.condition)
            reply = await self._client.txn(
                compare=[ops.missing(self._declared), *unchanged],
                success=[ops.put(self._declared, msgspec.json.encode(declared))],
                failure=[ops.get(self._declared)],
            )
            if reply.succeeded:
                return
            if (kv := first_of(reply.replies[0])) is None:
                continue  # a gate it waits for was declared meanwhile
            there = decoded(kv, Declared)
            if there is None or not _same(there, declared):
                raise GateDiffers(f"{self._text_name} is declared otherwise")
            return

    async def passed(self) -> bool:
        """Tell whether the gate is open, and open it when it is due. One or two round trips."""
        look = await self._look()
        due = reached(self.condition, look.met)
        return look.latch is not None or (due is not None and bool(await self._open(due, look)))

    async def wait(self) -> Opening:
        """Wait until the gate is open.

        Returns:
            When it opened, the same for everybody.

        Raises:
            NotLeader: the `guards` do not hold; nothing was noted.
        """
        opening, _ = await self._opened_after(0)
        return opening

    async def explain(self) -> Explanation:
        """Say what the gate waits for and how far that is. One round trip."""
        look = await self._look()
        since = look.declared.since_unix_ms if look.declared else 0
        told = verdict(self.condition, look.met, look.values, look.epoch.unix_ms)
        return Explanation(self._text_name, told, since, look.opening, self._shuts_again)

    async def force(self, by: str) -> Opening:
        """Open the gate by hand, whatever its condition says; `by` is who did so."""
        now = self._timer.now_unix_ms()
        look = await self._look()
        opening, _ = await self._open(Met(look.revision, 0, by, now), look)
        return opening

    async def remove(self) -> None:
        """Forget the gate: who asks for it later finds it shut, and undeclared."""
        await self._client.txn(
            success=[
                ops.delete(self._declared),
                ops.delete(self._latch),
                ops.delete(self._met, prefix=True),
            ]
        )

    @property
    def _text_name(self) -> str:
        return self._name.decode(errors="replace")

    def _declaration(self) -> Declared:
        return Declared(self.condition, self._timer.now_unix_ms())

    def _epoch(self, latch: KeyValue | None, declared: Declared | None) -> Epoch:
        """Return since when the condition counts."""
        return Epoch(0, declared.since_unix_ms if declared else self._timer.now_unix_ms())

    def _unopened(self, latch: KeyValue | None) -> Compare:
        """Return the condition that the gate was not opened since it was looked at."""
        return ops.missing(self._latch)

    async def _opened_after(self, revision: int) -> tuple[Opening, int]:
        """Wait for a latch later than `revision`; return what it says, and its revision."""
        while True:
            look = await self._look()
            if look.opening is not None and look.latch_revision > revision:
                return look.opening, look.latch_revision
            due = reached(self.condition, look.met)
            try:
                due = due or await self._follow(look)
            except Refused as error:
                if error.code is not ErrorCode.COMPACTED:
                    raise
                continue
            if due is not None:
                return await self._open(due, look)

    async def _look(self) -> Look:
        fixed: list[TxnOp] = [
            ops.get(self._latch),
            ops.get(self._declared),
            ops.get(self._met, prefix=True),
        ]
        # Where counting starts is known only once the latch was read, if it ever is set anew.
        epoch = self._known_epoch()
        asked = [reads(leaf, epoch) for leaf in self._leaves]
        reply = await self._client.txn(success=[*fixed, *(each for ops_ in asked for each in ops_)])
        latch, told, met = (all_of(each) for each in reply.replies[:3])
        declared = decoded(told[0] if told else None, Declared)
        found = self._epoch(latch[0] if latch else None, declared)
        if found.revision != epoch.revision:
            self._note_epoch(found)
            return await self._look()
        noted = {int(kv.key[len(self._met) :]): decoded(kv, Met) for kv in met}
        values, judged, at = {}, {}, len(fixed)
        for number, leaf in enumerate(self._leaves):
            replies = reply.replies[at : at + len(asked[number])]
            at += len(replies)
            now = self._timer.now_unix_ms()
            values[number], one = judge(leaf, found, replies, reply.revision, now)
            if one := noted.get(number) or one:
                judged[number] = one
        return Look(reply.revision, latch[0] if latch else None, declared, found, judged, values)

    def _known_epoch(self) -> Epoch:
        return Epoch(0, 0)

    def _note_epoch(self, epoch: Epoch) -> None:
        raise AssertionError("a gate that never shuts counts from the beginning")

    async def _follow(self, look: Look) -> Met | None:
        """Wait until the condition is met, or the latch moves: then None."""
        met = dict(look.met)
        latched = asyncio.ensure_future(self._latched(look.revision))
        waiting: dict[asyncio.Future[Met], int] = {
            asyncio.ensure_future(
                until_met(
                    self._client, self._timer, leaf, look.epoch, look.values[number], look.revision
                )
            ): number
            for number, leaf in enumerate(self._leaves)
            if number not in met
        }
        tasks: set[asyncio.Future[Met] | asyncio.Future[None]] = {latched, *waiting}
        try:
            while True:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                tasks -= done
                fresh = {number: task.result() for task, number in waiting.items() if task in done}
                met.update(fresh)
                if (due := reached(self.condition, met)) is not None:
                    return due
                if latched in done:
                    latched.result()
                    return None
                await self._note(fresh, look)
        finally:
            latched.cancel()
            for task in waiting:
                task.cancel()
            await asyncio.gather(latched, *waiting, return_exceptions=True)

    async def _latched(self, revision: int) -> None:
        async with self._client.watch(
            self._latch, start_revision=revision + 1, no_delete=True
        ) as watch:
            await next_batch(watch)

    async def _note(self, fresh: dict[int, Met], look: Look) -> None:
        """Leave word of parts that were met, so that it is known though we go; the first stays."""
        for number, met in fresh.items():
            key = self._met + f"{number:04}".encode()
            with suppress(MaybeDone):
                await self._client.txn(
                    compare=[*self._guards(), ops.missing(key), self._unopened(look.latch)],
                    success=[ops.put(key, msgspec.json.encode(met))],
                )

    async def _open(self, opening: Opening, look: Look) -> tuple[Opening, int]:
        """Latch the opening; return it as it stands, whoever was first, and its latch's revision.

        Raises:
            NotLeader: a guard does not hold; nothing was written.
        """
        while True:
            try:
                reply = await self._client.txn(
                    compare=[*self._guards(), self._unopened(look.latch)],
                    success=[
                        ops.put(self._latch, msgspec.json.encode(opening)),
                        ops.delete(self._met, prefix=True),
                        *self._also(opening),
                    ],
                    failure=[ops.get(self._latch)],
                )
            except MaybeDone:
                continue
            if reply.succeeded:
                return opening, reply.revision
            latch = first_of(reply.replies[0])
            there = decoded(latch, Opening)
            if latch is None or there is None or latch.mod_revision == look.latch_revision:
                raise NotLeader
            return there, latch.mod_revision


class SizeGate(Gate):
    """A gate that opens once the prefix `items` holds `target` keys."""

    def __init__(self, client: KeyStore, name: Text, items: Text, target: int) -> None:
        super().__init__(client, name, Size(text_of(items), target))


def _same(one: Declared, other: Declared) -> bool:
    return (one.condition, one.queue) == (other.condition, other.queue)


def text_of(name: Text) -> str:
    """Return a key as text, as conditions name it; Misuse where it is none."""
    try:
        return ops.key_bytes(name).decode()
    except UnicodeDecodeError as error:
        raise Misuse(f"{name!r} is not UTF-8", ErrorCode.INVALID_OPTION) from error
