"""The blocking face of every recipe: one portal, no twin of anything.

`recipes.blocking.Lock(client, ...)` takes the blocking client and makes the recipe of that name on
the client's own thread. Each method that is a coroutine there waits here; arguments that are
blocking clients, sessions or faces are handed on as what they stand for; what comes back and has
coroutine methods (a hold, a leadership) is given a face too. `with` is `async with`, `for` is
`async for`. Guarantees and costs are those of the recipe; a wait costs the calling thread.

What breaks it: callbacks given to a recipe run on the client's thread; they must be short and not
call the client. Not for: programs with an event loop; they use the recipe itself.
"""

import asyncio
import functools
import importlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from coord.client.blocking import Client, Session
from coord.client.portal import Portal
from recipes import stm

T = TypeVar("T")
RECIPES = {
    "Barrier": "barrier",
    "BatchGate": "batch_gate",
    "DoubleBarrier": "barrier",
    "NoticeBoard": "board",
    "Config": "config",
    "Consumer": "consumer",
    "AtomicValue": "counter",
    "Counter": "counter",
    "DelayQueue": "delay_queue",
    "Mover": "delay_queue",
    "Election": "election",
    "Gate": "gate",
    "SizeGate": "gate",
    "HandOver": "hand_over",
    "IdQueue": "id_queue",
    "Latch": "latch",
    "Lock": "lock",
    "Group": "membership",
    "Mirror": "mirror",
    "Monitor": "monitor",
    "MultiLock": "multilock",
    "Presence": "presence",
    "PriorityQueue": "priority_queue",
    "Board": "progress",
    "Reporter": "progress",
    "Queue": "queue",
    "Registry": "registry",
    "RWLock": "rwlock",
    "Semaphore": "semaphore",
    "ShardedQueue": "sharded_queue",
    "SignalGate": "signal_gate",
}


def __getattr__(name: str) -> Callable[..., "Face"]:
    """Return the maker of a recipe's blocking face, by the recipe's class name."""
    module = RECIPES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    recipe = getattr(importlib.import_module(f"recipes.{module}"), name)
    return face(recipe)


def face(recipe: type) -> Callable[..., "Face"]:
    """Return the maker of any recipe's blocking face; what it takes first is a client or a face."""
    return functools.wraps(recipe, updated=())(functools.partial(_make, recipe))


def transact(
    client: Client,
    work: Callable[["Face"], T],
    isolation: stm.Isolation = stm.Isolation.SERIALIZABLE_SNAPSHOT,
    *,
    tries_max: int = stm.TRIES_MAX,
) -> T:
    """Run `work` as one step; see `recipes.stm.transact`. It runs on a thread of its own."""
    portal = client._portal

    async def bridged(transaction: stm.Transaction) -> T:
        return await asyncio.to_thread(work, Face(portal, transaction))

    return portal.run(stm.transact(client._client, bridged, isolation, tries_max=tries_max))


class Face:
    """One object of a recipe, as seen from other threads: same names, and calls that wait."""

    def __init__(self, portal: Portal, target: Any) -> None:
        self._portal = portal
        self._target = target

    def __repr__(self) -> str:
        return f"<blocking {type(self._target).__name__}>"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if callable(getattr(type(self._target), name, None)):
            return functools.partial(_call, self._portal, self._target, name)

        async def read() -> Any:
            return getattr(self._target, name)

        return _face(self._portal, self._portal.run(read()))

    def __enter__(self) -> "Face":
        entered = self._portal.run(self._target.__aenter__())
        return self if entered is self._target else Face(self._portal, entered)

    def __exit__(self, *error: Any) -> None:
        if self._portal.alive:
            self._portal.run(self._target.__aexit__(*error))

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        async def step() -> tuple[bool, Any]:
            # A coroutine must not raise StopAsyncIteration through a future.
            try:
                return True, await anext(self._target)
            except StopAsyncIteration:
                return False, None

        more, item = self._portal.run(step())
        if not more:
            raise StopIteration
        return _face(self._portal, item)


def _make(recipe: type, client: Client | Face, /, *args: Any, **kwargs: Any) -> Face:
    portal = client._portal

    async def made() -> Any:
        return recipe(_behind(client), *map(_behind, args), **_all_behind(kwargs))

    return Face(portal, portal.run(made()))


def _call(portal: Portal, target: Any, name: str, /, *args: Any, **kwargs: Any) -> Any:
    async def call() -> Any:
        result = getattr(target, name)(*map(_behind, args), **_all_behind(kwargs))
        return await result if inspect.iscoroutine(result) else result

    return _face(portal, portal.run(call()))


def _behind(given: Any) -> Any:
    """Return what a blocking client, session or face stands for; anything else as it is."""
    match given:
        case Client():
            return given._client
        case Session():
            return given._session
        case Face():
            return given._target
        case _:
            return given


def _all_behind(given: dict[str, Any]) -> dict[str, Any]:
    return {name: _behind(each) for name, each in given.items()}


def _face(portal: Portal, result: Any) -> Any:
    """Give a face to what lives on the client's loop: it has methods to wait for."""
    if inspect.isasyncgen(result) or any(
        inspect.iscoroutinefunction(member) for member in vars(type(result)).values()
    ):
        return Face(portal, result)
    return result
