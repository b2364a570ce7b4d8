"""Programs around gates: some fill what a gate counts or give the signal, others wait to pass.

What passers were told is held against the log: nobody passes before the condition held, all are
told the same, and what they are told is true.
"""

import msgspec

from coord.client import ops
from coord.errors import CoordError
from coord.model import EventKind
from coord.testing.violation import Violation
from recipes.gate import Opening, SizeGate
from recipes.signal_gate import SignalGate
from recipes.testing.actor import Actor
from recipes.testing.hold_checks import Told
from recipes.testing.journal import Passage
from recipes.testing.queue_checks import QueueLog
from recipes.testing.truth import in_order, lives

ITEMS = b"gate/items/"
TARGET = 15
SIZE, SIGNAL = b"gate/size", b"gate/signal"
LATCH = SIZE + b"/open"


async def fill(actor: Actor) -> None:
    """Add items until there are enough; take some away on the way."""
    number = 0
    while not actor.oracle.keys(LATCH):
        await actor.think(3.0)
        number += 1
        key = ITEMS + f"{actor.name}/{number}".encode()
        try:
            await actor.client.put(key, "item")
            if actor.luck.random() < 0.3 and not actor.is_over():
                await actor.client.delete(key)
        except CoordError as error:
            actor.failed(error)


async def signal(actor: Actor) -> None:
    """Open and shut the gate now and then; in the end it is open."""
    gate = SignalGate(actor.client, SIGNAL)
    while not (actor.is_over() and actor.oracle.keys(SIGNAL)):
        await actor.think(4.0)
        try:
            if actor.luck.random() < 0.5 or actor.is_over():
                await gate.open(actor.name)
            else:
                await gate.shut()
        except CoordError as error:
            actor.failed(error)


async def pass_size(actor: Actor) -> None:
    """Wait for the size gate."""
    gate = SizeGate(actor.client, SIZE, ITEMS, TARGET)
    for _ in range(3):
        await actor.think()
        try:
            if actor.luck.random() < 0.3:
                await gate.declare()
            opening = await gate.wait()
        except CoordError as error:
            actor.failed(error)
            continue
        told = msgspec.json.encode(opening)
        actor.journal.passages.append(Passage(SIZE, opening.revision, told, actor.now_ms))


async def pass_signal(actor: Actor) -> None:
    """Wait for the signal, again and again."""
    gate = SignalGate(actor.client, SIGNAL)
    while not actor.is_over():
        await actor.think(2.0)
        try:
            opened = await gate.wait()
            seen = Passage(SIGNAL, opened.mod_revision, opened.value, actor.now_ms)
            actor.journal.passages.append(seen)
            reply = await actor.client.txn([gate.guard()], [ops.put("gate/passed", actor.name)])
            actor.count("signals acted on" if reply.succeeded else "signals gone again")
        except CoordError as error:
            actor.failed(error)


def check_size(told: Told) -> dict[str, int]:
    """Judge the size gate; see `check_opening`."""
    return check_opening(told, SIZE, ITEMS, TARGET)


def check_opening(told: Told, name: bytes, items: bytes, target: int) -> dict[str, int]:
    """The gate opened once, not before its condition held, and told everybody the truth."""
    latches = lives(told.events, name + b"/open")
    if len(latches) > 1 or any(latch.end < 1 << 62 for latch in latches):
        raise Violation(f"gate: opened more than once: {latches}")
    count, counts = 0, dict[int, int]()
    for event in in_order(told.events):
        if event.kv.key.startswith(items):
            count += -1 if event.kind is EventKind.DELETE else event.is_create
            counts[event.kv.mod_revision] = count
    first = min((at for at, number in counts.items() if number >= target), default=1 << 62)
    passages = [passage for passage in told.journal.passages if passage.gate == name]
    for latch in latches:
        opening = msgspec.json.decode(latch.value, type=Opening)
        if not first <= opening.revision <= latch.token:
            raise Violation(f"gate: {opening}, its condition held at {first} first ({latch})")
        at = max(revision for revision in counts if revision <= opening.revision)
        if counts[at] != opening.value or opening.value < target:
            raise Violation(f"gate: {opening}, and there were {counts[at]}")
        if any(passage.value != latch.value for passage in passages):
            raise Violation(f"gate: {passages} were told otherwise than {latch}")
        if any(passage.at_ms < told.seen_ms[latch.token] for passage in passages):
            raise Violation(f"gate: {passages}, and {latch}")
        return {
            "size gates opened": 1,
            "size gates opened at the very revision": opening.revision == first,
            "size gates passed": len(passages),
        }
    if passages:
        raise Violation(f"gate: never opened, and passed: {passages}")
    return {}


def check_batches(told: Told, latch: bytes, log: QueueLog) -> int:
    """Every item taken had been put before an opening that came before it was taken.

    Returns:
        How many openings there were.
    """
    openings = [event.kv.mod_revision for event in in_order(told.events) if event.kv.key == latch]
    for item, token in log.claims:
        came_at = log.came_at[item]
        if not any(came_at < opening < token for opening in openings):
            raise Violation(f"batch: {item} came at {came_at}, taken at {token}: {openings}")
    return len(openings)


def check_signal(told: Told) -> dict[str, int]:
    """Whoever passed did so by a signal that had been given."""
    given = {
        event.kv.mod_revision: event.kv.value
        for event in in_order(told.events)
        if event.kv.key == SIGNAL and event.kind is EventKind.PUT
    }
    passages = [passage for passage in told.journal.passages if passage.gate == SIGNAL]
    for passage in passages:
        if given.get(passage.revision) != passage.value:
            raise Violation(f"signal: {passage}, and given were {given}")
        if passage.at_ms < told.seen_ms[passage.revision]:
            raise Violation(f"signal: {passage} came too early")
    return {"signals given": len(given), "signals heard": len(passages)}
