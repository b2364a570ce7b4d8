"""Keeping one gate: it is opened, and shut again, as soon as the store's events say so.

One read looks at everything the condition speaks of; a watch on each of those keys only tells when
to look again. Every change names the gate as it was read and the steward's office.
"""

import asyncio
from typing import Any

import msgspec
from attrs import frozen

from coord.client import ops
from coord.model import KeyValue
from coord.requests import TxnOp
from recipes.mirror import Mirror
from recipes.port import next_batch
from workers.gates.conditions import next_time
from workers.gates.gate import Gate, GatePlaces, GateState, Note, decode, encode
from workers.gates.history import forgetting, noting
from workers.gates.looking import Sight, look, watched
from workers.steward.chore import Term
from workers.steward.together import together
from workers.timer import Timer


@frozen
class Keeper:
    """Keeps one gate as it was set; another one is made when it is set anew.

    Attributes:
        term: during which.
        timer: for conditions of time.
        gates: a mirror of all gates.
        gate: the one.
        set_revision: that set it.
        news: set by the owner when one of the gate's own keys changed.
    """

    term: Term
    timer: Timer
    gates: Mirror
    gate: Gate
    set_revision: int
    news: asyncio.Event

    @property
    def _places(self) -> GatePlaces:
        return GatePlaces(self.term.places)

    async def run(self) -> None:
        """Keep the gate until cancelled.

        Raises:
            Refused: COMPACTED; begin anew.
        """
        revision = self.gates.revision
        keys = watched(self._places, self.gate)
        follows = [self._follow(key, is_prefix, revision) for key, is_prefix in keys.items()]
        await together(self._keep(), *follows)

    async def _follow(self, key: bytes, is_prefix: bool, revision: int) -> None:
        watching = self.term.client.watch(key, prefix=is_prefix, start_revision=revision + 1)
        async with watching as watch:
            while True:
                await next_batch(watch)
                self.news.set()

    async def _keep(self) -> None:
        while True:
            self.news.clear()
            kv = self.gates.keys.get(self._places.state(self.gate.name))
            state = None if kv is None else decode(kv.value, GateState)
            wake_unix_ms = None
            if kv is not None and state is not None and not self._is_settled(state):
                now_unix_ms = self.timer.now_unix_ms()
                sight = await look(self.term.client, self._places, self.gate, now_unix_ms)
                after = self._after(state, sight, now_unix_ms)
                if after is not None:
                    await self._change(kv, after)
                wake_unix_ms = next_time(self.gate.condition, now_unix_ms)
            await self._sleep(wake_unix_ms)

    def _is_settled(self, state: GateState) -> bool:
        """Tell whether nothing but a person moves the gate any more."""
        return state.is_open and (state.by_hand or self.gate.rearm == "never")

    def _after(self, state: GateState, sight: Sight, now_unix_ms: int) -> GateState | None:
        """Return the state to go to; None to stay."""
        batches = self.gate.rearm == "empty"
        if not state.is_open:
            if not sight.verdict.holds or (batches and not sight.ready):
                return None
            by = sight.verdict.evidence()
            return GateState(True, now_unix_ms, by, openings=state.openings + 1)
        if batches and sight.ready:
            return None
        if not batches and sight.verdict.holds:
            return None
        by = ("its queue is empty" if batches else "its condition does not hold any more",)
        return msgspec.structs.replace(state, is_open=False, since_unix_ms=now_unix_ms, by=by)

    async def _change(self, kv: KeyValue, after: GateState) -> None:
        places, gate = self._places, self.gate
        spec = ops.modified(places.spec(gate.name), "==", self.set_revision)
        steps = changing(places, gate, after)
        if not after.is_open and gate.rearm == "empty":
            steps.append(ops.delete(places.signals(gate.name), prefix=True))
        steps += await forgetting(self.term.client, places, gate.name)
        await self.term.client.txn(
            [self.term.guard(), spec, ops.modified(kv.key, "==", kv.mod_revision)], steps
        )

    async def _sleep(self, until_unix_ms: int | None) -> None:
        waits: list[asyncio.Future[Any]] = [asyncio.ensure_future(self.news.wait())]
        if until_unix_ms is not None:
            waits.append(asyncio.ensure_future(self.timer.until(until_unix_ms)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()


def changing(places: GatePlaces, gate: Gate, after: GateState) -> list[TxnOp]:
    """Return what brings a gate to a state, with its queue, and notes it."""
    what = "opened" if after.is_open else "shut"
    steps: list[TxnOp] = [
        ops.put(places.state(gate.name), encode(after)),
        noting(places, gate.name, Note(after.since_unix_ms, what, after.by)),
    ]
    if gate.queue:
        shut = places.shut(gate)
        steps.append(ops.delete(shut) if after.is_open else ops.put(shut, gate.note))
    return steps
