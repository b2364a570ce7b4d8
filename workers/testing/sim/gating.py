"""A program that keeps a declared gate before a queue, in every way there is, and takes it away."""

from coord.errors import CoordError
from recipes.testing.actor import Actor, Program
from workers.gates.conditions import AnyOf, Condition, QueueSize, Signal, Time
from workers.gates.errors import UnknownGate
from workers.gates.gate import Gate
from workers.gates.store import GateStore
from workers.testing.scheduling import LoopTimer
from workers.testing.sim.play import QUEUES, Play

NAME, SIGNAL = "g", "go"


def keeping(play: Play) -> Program:
    """Return the program; in the end the gate is gone."""

    async def keep(actor: Actor) -> None:
        timer = LoopTimer()
        store = GateStore(actor.client, play.places, timer)
        with actor.at_work(play.busy):
            while not actor.is_over():
                await actor.think(8.0)
                try:
                    await _act(actor, store, timer.now_unix_ms())
                except UnknownGate:
                    actor.count("gates: told UnknownGate")
                except CoordError as error:
                    actor.failed(error)
            await _remove(actor, store)

    return keep


async def _act(actor: Actor, store: GateStore, now_unix_ms: int) -> None:
    luck, by = actor.luck, actor.name
    way = luck.random()
    if way < 0.25:
        condition = _condition(actor, now_unix_ms)
        queue = luck.choice(QUEUES)
        ways = (
            Gate(NAME, condition, queue),
            Gate(NAME, condition, queue, rearm="empty"),
            Gate(NAME, condition, queue, rearm="unmet"),
        )
        await store.set(luck.choice(ways), by)
        actor.count("gates: set")
    elif way < 0.6:
        await store.signal(NAME, SIGNAL, by=by)
    elif way < 0.7:
        await store.open(NAME, by)
    elif way < 0.8:
        await store.shut(NAME, by)
    elif way < 0.95:
        await store.explain(NAME)
    else:
        await store.remove(NAME)


async def _remove(actor: Actor, store: GateStore) -> None:
    await actor.think(5.0)
    while True:
        try:
            await store.remove(NAME)
            return
        except UnknownGate:
            return
        except CoordError as error:
            actor.failed(error)
            await actor.think()


def _condition(actor: Actor, now_unix_ms: int) -> Condition:
    luck = actor.luck
    many = QueueSize(luck.choice(QUEUES), luck.randint(1, 6))
    then = Time(now_unix_ms + luck.choice((100, 1_000, 600_000)))
    return luck.choice((many, AnyOf((Signal(SIGNAL), then)), Signal(SIGNAL)))
