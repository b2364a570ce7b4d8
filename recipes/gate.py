"""Size gate: a condition that opens once a prefix holds a given number of keys.

Guarantee: nobody passes before some revision held `target` keys under `items`; from then on
everybody passes, even when keys go again: the first to see it leaves a latch in the store. All
waiters see the same events in the same order, so all agree on the revision that opened it.

What breaks it: with nobody waiting and the count gone below the target again, the opening is not
noticed. Let whoever needs the gate wait for it, or call `passed` after adding.

Cost: passing an open gate one round trip; waiting one read and one watch, memory for nothing but
the count; opening one transaction more.
"""

import time

import msgspec

from coord.client import ops
from coord.client.ops import Text
from coord.errors import ErrorCode, Refused
from coord.model import Event, EventKind
from coord.requests import Compare, RangeReply
from recipes.port import KeyStore, next_batch, only


class Opening(msgspec.Struct, frozen=True):
    """What the latch says: the revision that opened the gate, and the count there."""

    revision: int
    value: int


class Explanation(msgspec.Struct, frozen=True):
    """What a gate waits for. `since_unix_ms` is when it was declared (0: never was)."""

    gate: str
    items: str
    value: int
    target: int
    since_unix_ms: int
    opening: Opening | None

    @property
    def is_open(self) -> bool:
        """Whether everybody passes."""
        return self.opening is not None

    def __str__(self) -> str:
        if self.opening is not None:
            at = f"{self.opening.value} of {self.target} at revision {self.opening.revision}"
            return f"{self.gate}: open ({at})"
        return f"{self.gate}: shut, {self.value} of {self.target} under {self.items}"


class _Declared(msgspec.Struct, frozen=True):
    """What is kept of a gate for whoever looks."""

    items: str
    target: int
    since_unix_ms: int


class SizeGate:
    """One gate, named by a key; its state is kept under that key."""

    def __init__(self, client: KeyStore, name: Text, items: Text, target: int) -> None:
        if target < 1:
            raise ValueError(f"a gate's target is at least 1, got {target}")
        self._client = client
        self._items = ops.key_bytes(items)
        self._target = target
        self._name = ops.key_bytes(name)
        self._declared = self._name + b"/declared"
        self._latch = self._name + b"/open"

    def guard(self) -> Compare:
        """Return the condition that makes a transaction fail while this gate is shut."""
        return ops.exists(self._latch)

    async def declare(self) -> None:
        """Leave word in the store what this gate waits for and since when; the first word stays."""
        declared = _Declared(
            self._items.decode(errors="replace"), self._target, time.time_ns() // 1_000_000
        )
        await self._client.txn(
            compare=[ops.missing(self._declared)],
            success=[ops.put(self._declared, msgspec.json.encode(declared))],
        )

    async def passed(self) -> bool:
        """Tell whether the gate is open, and open it when it is due. One or two round trips."""
        opening, value, revision = await self._look()
        if opening is None and value >= self._target:
            opening = await self._open(Opening(revision, value))
        return opening is not None

    async def wait(self) -> Opening:
        """Wait until the gate is open.

        Returns:
            When it opened, the same for everybody.
        """
        while True:
            opening, value, revision = await self._look()
            if opening is not None:
                return opening
            if value >= self._target:
                return await self._open(Opening(revision, value))
            try:
                return await self._open(await self._count_on(value, revision))
            except Refused as error:
                if error.code is not ErrorCode.COMPACTED:
                    raise

    async def explain(self) -> Explanation:
        """Say what the gate waits for and how far that is. One round trip."""
        reply = await self._client.txn(
            success=[
                ops.get(self._latch),
                ops.get(self._items, prefix=True, count_only=True),
                ops.get(self._declared),
            ]
        )
        latch, items, declared = reply.replies
        assert isinstance(latch, RangeReply)
        assert isinstance(items, RangeReply)
        assert isinstance(declared, RangeReply)
        told = only(declared)
        return Explanation(
            gate=self._name.decode(errors="replace"),
            items=self._items.decode(errors="replace"),
            value=items.count,
            target=self._target,
            since_unix_ms=_read_declared(told.value).since_unix_ms if told else 0,
            opening=_read_opening(latch),
        )

    async def _look(self) -> tuple[Opening | None, int, int]:
        reply = await self._client.txn(
            success=[
                ops.get(self._latch),
                ops.get(self._items, prefix=True, count_only=True),
            ]
        )
        latch, items = reply.replies
        assert isinstance(latch, RangeReply)
        assert isinstance(items, RangeReply)
        return _read_opening(latch), items.count, reply.revision

    async def _count_on(self, value: int, revision: int) -> Opening:
        """Follow the count from `revision` on, revision by revision, until it is enough."""
        watching = self._client.watch(self._items, prefix=True, start_revision=revision + 1)
        async with watching as watch:
            while True:
                for at, change in _net_changes((await next_batch(watch)).events):
                    value += change
                    if value >= self._target:
                        return Opening(at, value)

    async def _open(self, opening: Opening) -> Opening:
        reply = await self._client.txn(
            compare=[ops.missing(self._latch)],
            success=[ops.put(self._latch, msgspec.json.encode(opening))],
            failure=[ops.get(self._latch)],
        )
        if reply.succeeded:
            return opening
        latch = reply.replies[0]
        assert isinstance(latch, RangeReply)
        return _read_opening(latch) or opening


def _net_changes(events: tuple[Event, ...]) -> list[tuple[int, int]]:
    """Return (revision, change of the count) for each revision among `events`, in order."""
    changes: dict[int, int] = {}
    for event in events:
        change = -1 if event.kind is EventKind.DELETE else int(event.is_create)
        at = event.kv.mod_revision
        changes[at] = changes.get(at, 0) + change
    return list(changes.items())


def _read_opening(latch: RangeReply) -> Opening | None:
    found = only(latch)
    return None if found is None else msgspec.json.decode(found.value, type=Opening)


def _read_declared(value: bytes) -> _Declared:
    return msgspec.json.decode(value, type=_Declared)
