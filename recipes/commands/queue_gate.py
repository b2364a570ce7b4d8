"""The gate of a queue that a person sets, changes and takes away while takers are at work.

A gate of `recipes.gate` is what its maker says. Takers here know nothing before they look: what it
waits for, and whether it is shut, is in the store, under the queue's gate/. Every change of it
moves the key gate/state, and each claim is made only if that is as the taker saw it last: none
slips through a gate that was set a moment before.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import msgspec

from coord.client import ops
from coord.errors import ErrorCode, Refused
from coord.requests import Claim, Compare, TxnOp
from recipes.conditions import Condition, check_condition
from recipes.errors import NotLeader
from recipes.gate import Gate
from recipes.gate_records import Declared, Explanation, decoded, first_of
from recipes.port import KeyStore, next_batch
from recipes.timer import Timer, WallTimer

SHUT, OPEN = b"shut", b"open"
SIGNAL = b"/signal"  # behind the gate's name: the key a signal puts
NEVER = -1  # no key was ever written at this revision


class QueueGate:
    """The gate of the queue whose keys begin with `prefix`; use as the gate of a Consumer."""

    def __init__(self, client: KeyStore, prefix: bytes, timer: Timer | None = None) -> None:
        self._client = client
        self._name = prefix + b"gate"
        self._state = self._name + b"/state"
        self._timer = timer or WallTimer()
        self._gate: Gate | None = None
        self._seen = NEVER  # revision of the state; NEVER too while it is shut

    def guard(self) -> Compare:
        """Return the condition that makes a transaction fail unless all is as it was seen open."""
        return ops.modified(self._state, "==", self._seen)

    def claiming(self, claim: Claim) -> TxnOp:
        """Return a claim of the item the gate waited for, if that is there, else `claim`."""
        return claim if self._gate is None else self._gate.claiming(claim)

    def empty(self, source: bytes) -> Compare:
        """Return the condition that nothing may be claimed under `source`."""
        return ops.missing(source, prefix=True)

    async def wait(self) -> None:
        """Return once the gate is open, or there is none."""
        while True:
            state, revision = await self._look()
            if state != SHUT:
                return
            await self._moved(revision)

    async def passed(self) -> bool:
        """Tell whether it is open, or there is none, and open it when it is due."""
        state, revision = await self._look()
        if state != SHUT or self._gate is None:
            return state != SHUT
        with suppress(NotLeader):  # it was set anew, or opened, in between
            if await self._gate.passed():
                await self._note_open(revision)
        state, _ = await self._look()
        return state != SHUT

    async def set(self, condition: Condition) -> None:
        """Shut the queue until `condition` is met, whatever it waited for before.

        Raises:
            NeverOpens: it never would be; nothing was changed.
        """
        check_condition(condition)
        declared = msgspec.json.encode(Declared(condition, self._timer.now_unix_ms()))
        await self._client.txn(
            success=[
                *self._forgetting_opening(),
                ops.put(self._name + b"/declared", declared),
                ops.put(self._state, SHUT),
            ]
        )

    async def remove(self) -> None:
        """Take the gate away; the queue is open."""
        gone = [ops.delete(self._state), ops.delete(self._name + b"/declared")]
        await self._client.txn(success=[*self._forgetting_opening(), *gone])

    async def force(self, by: str) -> bool:
        """Open it by hand; `by` says who did. Returns whether there is a gate."""
        state, revision = await self._look()
        if state == SHUT and self._gate is not None:
            with suppress(NotLeader):  # it was set anew, or opened, in between
                await self._gate.force(by)
            await self._note_open(revision)
        return self._gate is not None

    async def explain(self) -> Explanation | None:
        """Say what it waits for and how far that is; None when there is no gate."""
        await self._look()
        return None if self._gate is None else await self._gate.explain()

    async def _look(self) -> tuple[bytes, int]:
        """Read the gate; return its state and the revision that made it so."""
        reads = [ops.get(self._state), ops.get(self._name + b"/declared")]
        reply = await self._client.txn(success=reads)
        state, told = (first_of(each) for each in reply.replies)
        revision = 0 if state is None else state.mod_revision
        declared = decoded(told, Declared)
        self._gate = None if declared is None else self._of(declared.condition, revision)
        found = OPEN if state is None else state.value
        self._seen = NEVER if found == SHUT else revision
        return found, revision

    def _of(self, condition: Condition, revision: int) -> Gate:
        unchanged = [ops.modified(self._state, "==", revision)]
        return Gate(
            self._client,
            self._name,
            condition,
            timer=self._timer,
            guards=lambda: unchanged,
            also=lambda opening: [ops.put(self._state, OPEN)],
        )

    async def _moved(self, revision: int) -> None:
        """Return when the gate opened, or was set or taken away after `revision`."""
        tasks = {asyncio.ensure_future(self._changed(revision))}
        if self._gate is not None:
            tasks.add(asyncio.ensure_future(self._opened(self._gate, revision)))
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _opened(self, gate: Gate, revision: int) -> None:
        with suppress(NotLeader):  # it was set anew: whoever looks again sees that
            await gate.wait()
            await self._note_open(revision)

    async def _note_open(self, revision: int) -> None:
        """Say that it is open where whoever opened it did not say so."""
        unchanged = ops.modified(self._state, "==", revision)
        await self._client.txn(
            [unchanged, ops.exists(self._name + b"/open")], [ops.put(self._state, OPEN)]
        )

    async def _changed(self, revision: int) -> None:
        try:
            async with self._client.watch(self._state, start_revision=revision + 1) as watch:
                await next_batch(watch)
        except Refused as error:
            if error.code is not ErrorCode.COMPACTED:
                raise

    def _forgetting_opening(self) -> Sequence[TxnOp]:
        return [
            ops.delete(self._name + b"/open"),
            ops.delete(self._name + SIGNAL),
            ops.delete(self._name + b"/met/", prefix=True),
        ]
