"""Programs around a gate with two conditions, both of which hold for moments only.

Whoever follows the gate notes the parts as they are met; keepers do so while nobody waits. The gate
must not open before both were met, and it must open in the end.
"""

import asyncio
import contextlib

import msgspec

from coord.errors import CoordError
from coord.model import EventKind
from coord.testing.violation import Violation
from recipes.conditions import AllOf, Signal, Size
from recipes.gate import Gate, Opening
from recipes.gate_watch import GateWatch
from recipes.testing.actor import Actor
from recipes.testing.hold_checks import Told
from recipes.testing.journal import Passage
from recipes.testing.truth import FOREVER, in_order, lives

PREFIX, NAME = b"both/", b"both/gate"
ITEMS, SIGNAL = b"parts of both/items/", b"parts of both/signal"
TARGET = 4
LATCH = NAME + b"/open"


def _gate(actor: Actor) -> Gate:
    condition = AllOf((Size(ITEMS.decode(), TARGET), Signal(SIGNAL.decode())))
    return Gate(actor.client, NAME, condition)


async def fill(actor: Actor) -> None:
    """Let items come and go; in the end they stay."""
    number = 0
    while not actor.oracle.keys(LATCH):
        await actor.think(2.0)
        number = number % TARGET + 1
        key = ITEMS + f"{actor.name}/{number}".encode()
        try:
            await actor.client.put(key, "item")
            if actor.luck.random() < 0.4 and not actor.is_over():
                await actor.client.delete(key)
        except CoordError as error:
            actor.failed(error)


async def signal(actor: Actor) -> None:
    """Give the signal and take it back; in the end it stays."""
    while not actor.oracle.keys(LATCH):
        await actor.think(6.0)
        try:
            await actor.client.put(SIGNAL, actor.name)
            if not actor.is_over():
                await actor.think(0.5)
                await actor.client.delete(SIGNAL)
        except CoordError as error:
            actor.failed(error)


async def keep(actor: Actor) -> None:
    """Declare the gate and keep it, in case nobody waits."""
    declared = False
    while not declared:
        try:
            await _gate(actor).declare()
            declared = True
        except CoordError as error:
            actor.failed(error)
            await actor.think()
    while not actor.oracle.keys(LATCH):
        keeping = asyncio.ensure_future(GateWatch(actor.client, PREFIX).run())
        opened = asyncio.ensure_future(actor.until(lambda: bool(actor.oracle.keys(LATCH))))
        try:
            await asyncio.wait((keeping, opened), return_when=asyncio.FIRST_COMPLETED)
            if keeping.done():
                keeping.result()
        except CoordError as error:
            actor.failed(error)
            await actor.think()
        finally:
            keeping.cancel()
            opened.cancel()
            await asyncio.gather(keeping, opened, return_exceptions=True)


async def pass_gate(actor: Actor) -> None:
    """Wait for the gate, not all the time."""
    passed = False
    while not passed:
        await actor.think(2.0)
        try:
            patience_s = None if actor.is_over() else actor.luck.uniform(0.01, 1.0)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience_s):
                    opening = await _gate(actor).wait()
                passed = True
        except CoordError as error:
            actor.failed(error)
    told = msgspec.json.encode(opening)
    actor.journal.passages.append(Passage(NAME, opening.revision, told, actor.now_ms))


def check_gate(told: Told) -> dict[str, int]:
    """It opened once, after both parts had been met, and all were told the same."""
    latches = lives(told.events, LATCH)
    if len(latches) != 1 or latches[0].end != FOREVER:
        raise Violation(f"both: opened more than once: {latches}")
    (latch,) = latches
    opening = msgspec.json.decode(latch.value, type=Opening)
    count, size_at, signal_at = 0, FOREVER, FOREVER
    for event in in_order(told.events):
        kv = event.kv
        if kv.key.startswith(ITEMS):
            count += -1 if event.kind is EventKind.DELETE else event.is_create
            size_at = min(size_at, kv.mod_revision if count >= TARGET else FOREVER)
        elif kv.key == SIGNAL and event.kind is EventKind.PUT:
            signal_at = min(signal_at, kv.mod_revision)
    if not max(size_at, signal_at) <= opening.revision <= latch.token:
        raise Violation(f"both: {opening}, met first at {size_at} and {signal_at} ({latch})")
    for passage in told.journal.passages:
        if passage.gate == NAME and passage.value != latch.value:
            raise Violation(f"both: {passage}, and {latch}")
        if passage.gate == NAME and passage.at_ms < told.seen_ms[latch.token]:
            raise Violation(f"both: {passage} came too early")
    return {
        "both: opened": 1,
        "both: opened at the first moment": opening.revision == max(size_at, signal_at),
        "both: parts met apart": size_at != signal_at,
    }
