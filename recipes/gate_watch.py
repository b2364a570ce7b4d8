"""Gate watch: keeps every gate declared under a prefix, so that they open with nobody waiting.

Guarantee: while one is running, a declared gate opens once its condition is met, and what is true
for a moment only is noted. Any number may run; the first to see an opening writes it, once.
With `guards`, as those of an office, one that was replaced writes nothing any more.

What breaks it: with none running, moments that pass in between are missed; what is still true
when one starts is seen.

Cost: a copy of all keys under the prefix; for each shut gate what waiting at it costs.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

from coord.client import ops
from coord.client.ops import Text
from coord.errors import ErrorCode, MaybeDone, Misuse, Unavailable
from coord.model import KeyValue
from coord.requests import TxnOp
from recipes.batch_gate import BatchGate
from recipes.gate import Gate, Guards, Opening
from recipes.gate_records import Declared, decoded
from recipes.mirror import Mirror
from recipes.port import KeyStore
from recipes.queue import Queue
from recipes.timer import Timer, WallTimer

RETRY_S = 0.5  # after the cluster was away
_DECLARED = b"/declared"

Also = Callable[[str, Opening], Sequence[TxnOp]]


class GateWatch:
    """The gates whose names begin with a prefix.

    Args:
        client: whom to ask.
        prefix: of the gates' names.
        timer: the clock of `Time` conditions.
        guards: further conditions of every transaction.
        also: further operations of the transaction that opens a gate, by its name.

    Attributes:
        broken: why gates that cannot be kept cannot, by name.
    """

    def __init__(
        self,
        client: KeyStore,
        prefix: Text,
        *,
        timer: Timer | None = None,
        guards: Guards = tuple,
        also: Also = lambda _, __: (),
    ) -> None:
        self.broken: dict[str, str] = {}
        self._client = client
        self._prefix = ops.key_bytes(prefix)
        self._timer = timer or WallTimer()
        self._guards = guards
        self._also = also
        self._kept: dict[bytes, tuple[int, asyncio.Task[None]]] = {}

    @property
    def watching(self) -> tuple[str, ...]:
        """The gates that are kept and may still open, by name, sorted."""
        names = [key for key, (_, task) in self._kept.items() if not task.done()]
        return tuple(sorted(map(_name_of, names)))

    async def run(self) -> None:
        """Keep the gates until cancelled.

        Raises:
            NotLeader: a guard does not hold; nothing was written.
            Unavailable: the client was closed.
        """
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._stop)
            mirror = await stack.enter_async_context(Mirror(self._client, self._prefix))
            changing: asyncio.Future[Any] = asyncio.ensure_future(mirror.change())
            stack.callback(lambda: changing.cancel())
            while True:
                self._keep({k: kv for k, kv in mirror.keys.items() if k.endswith(_DECLARED)})
                tasks = [task for _, task in self._kept.values()]
                shut: list[asyncio.Future[Any]] = [task for task in tasks if not task.done()]
                await asyncio.wait([changing, *shut], return_when=asyncio.FIRST_COMPLETED)
                for task in tasks:
                    if task.done() and not task.cancelled():
                        task.result()
                if changing.done():
                    await self._changed(changing)
                    changing = asyncio.ensure_future(mirror.change())

    async def _changed(self, changing: asyncio.Future[Any]) -> None:
        try:
            changing.result()
        except Unavailable as error:
            if error.code is ErrorCode.STOPPING:
                raise
            await asyncio.sleep(RETRY_S)

    def _keep(self, declared: dict[bytes, KeyValue]) -> None:
        """Start what is new, and stop what is no more, or is another."""
        for key, (revision, task) in list(self._kept.items()):
            if key not in declared or declared[key].create_revision != revision:
                task.cancel()
                del self._kept[key]
                self.broken.pop(_name_of(key), None)
        for key, kv in declared.items():
            if key not in self._kept:
                task = asyncio.create_task(self._keep_one(kv))
                self._kept[key] = (kv.create_revision, task)

    async def _keep_one(self, kv: KeyValue) -> None:
        name, declared = _name_of(kv.key), decoded(kv, Declared)
        if declared is None:
            self.broken[name] = "its declaration cannot be read"
            return
        try:
            gate = self._gate(name, declared)
        except Misuse as error:
            self.broken[name] = str(error)
            return
        while True:
            try:
                await gate.wait()
                if not declared.queue:
                    return
            except (Unavailable, MaybeDone) as error:
                if error.code is ErrorCode.STOPPING:
                    raise
                await asyncio.sleep(RETRY_S)

    def _gate(self, name: str, declared: Declared) -> Gate:
        def also(opening: Opening) -> Sequence[TxnOp]:
            return self._also(name, opening)

        condition, timer, guards = declared.condition, self._timer, self._guards
        if declared.queue:
            queue = Queue(self._client, declared.queue)
            return BatchGate(queue, name, condition, timer=timer, guards=guards, also=also)
        return Gate(self._client, name, condition, timer=timer, guards=guards, also=also)

    async def _stop(self) -> None:
        tasks = [task for _, task in self._kept.values()]
        self._kept.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _name_of(key: bytes) -> str:
    return key.removesuffix(_DECLARED).decode(errors="replace")
