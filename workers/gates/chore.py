"""The steward's chore of gates: one keeper for each that is set, begun anew when it is set anew."""

import asyncio

import structlog

from coord.model import EventKind, KeyValue
from recipes.mirror import Mirror
from workers.gates.gate import Gate, GatePlaces, decode
from workers.gates.keeper import Keeper
from workers.steward.chore import Term
from workers.timer import Timer

log = structlog.get_logger("gates")


class GateChore:
    """Keeps all declared gates of a space."""

    name = "gates"

    def __init__(self, timer: Timer) -> None:
        self._timer = timer

    async def run(self, term: Term) -> None:
        """Keep gates until cancelled."""
        places = GatePlaces(term.places)
        async with Mirror(term.client, places.now) as gates:
            keepers = _Keepers(term, self._timer, gates, places)
            try:
                for kv in list(gates.keys.values()):
                    keepers.take(kv)
                await self._follow(gates, keepers)
            finally:
                await keepers.close()

    async def _follow(self, gates: Mirror, keepers: "_Keepers") -> None:
        change = asyncio.ensure_future(gates.change())
        try:
            while True:
                await asyncio.wait((change, *keepers.tasks), return_when=asyncio.FIRST_COMPLETED)
                keepers.raise_if_failed()
                if change.done():
                    for event in change.result():
                        gone = event.kind is EventKind.DELETE
                        await keepers.tell(event.kv, gone=gone)
                    change = asyncio.ensure_future(gates.change())
        finally:
            change.cancel()
            await asyncio.gather(change, return_exceptions=True)


class _Keepers:
    """The keepers at work, by gate."""

    def __init__(self, term: Term, timer: Timer, gates: Mirror, places: GatePlaces) -> None:
        self._term = term
        self._timer = timer
        self._gates = gates
        self._places = places
        self._news: dict[str, asyncio.Event] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    @property
    def tasks(self) -> tuple[asyncio.Task[None], ...]:
        """Their tasks."""
        return tuple(self._tasks.values())

    async def tell(self, kv: KeyValue, *, gone: bool) -> None:
        """Take one change of a gate's keys in."""
        name, _, part = self._parse(kv.key)
        if part == "spec":
            await self._drop(name)
            if not gone:
                self.take(kv)
        elif name in self._news:
            self._news[name].set()

    def take(self, kv: KeyValue) -> None:
        """Begin to keep a gate, if `kv` says what one is."""
        name, _, part = self._parse(kv.key)
        if part != "spec":
            return
        gate = decode(kv.value, Gate)
        if gate is None or gate.name != name:
            log.error("what stands for a gate is none", gate=name)
            return
        news = self._news[name] = asyncio.Event()
        keeper = Keeper(self._term, self._timer, self._gates, gate, kv.mod_revision, news)
        self._tasks[name] = asyncio.create_task(keeper.run(), name=f"gate {name}")

    def raise_if_failed(self) -> None:
        """Raise what ended a keeper, if one has ended."""
        for task in self._tasks.values():
            if task.done():
                task.result()

    async def close(self) -> None:
        """End all."""
        for name in list(self._tasks):
            await self._drop(name)

    async def _drop(self, name: str) -> None:
        self._news.pop(name, None)
        task = self._tasks.pop(name, None)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _parse(self, key: bytes) -> tuple[str, str, str]:
        return key.removeprefix(self._places.now).decode(errors="replace").partition("/")
