"""Programs that take part in elected builds: one computes, all receive; computations fail and die.

Builds follow one another. Each result must be in the log once, and whoever received one must have
received that one. The leader of a build writes under guard while it computes.
"""

from coord.errors import CoordError
from coord.model import EventKind
from coord.testing.violation import Violation
from recipes.build import Build, Built
from recipes.election import Leadership
from recipes.testing.actor import Actor
from recipes.testing.hold_checks import Line, Told, check_holders
from recipes.testing.journal import Receipt
from recipes.testing.truth import in_order

BUILDS = 12


class ComputationFailed(Exception):
    """On purpose."""


def _prefix(number: int) -> str:
    return f"build/{number}/"


async def take_part(actor: Actor) -> None:
    """Take part in one build after the other."""
    for number in range(1, BUILDS + 1):
        build = Build(actor.client, _prefix(number))

        async def compute(leadership: Leadership, number: int = number) -> str:
            return await _compute(actor, number, leadership)

        while not actor.is_over():
            try:
                async with actor.client.session(actor.ttl_ms) as session:
                    _received(actor, build, await build.take_part(session, compute, actor.name))
                    break
            except CoordError as error:
                actor.failed(error)
                await actor.think()
            except ComputationFailed:
                actor.count("computations failed")


async def _compute(actor: Actor, number: int, leadership: Leadership) -> str:
    tenure = actor.begins(f"build {number}", leadership)
    actor.count("computations begun")
    try:
        for _ in range(actor.luck.randint(1, 4)):
            await actor.think(2.0)
            await actor.write(tenure, leadership.guard())
        if actor.luck.random() < 0.1:
            raise ComputationFailed
    finally:
        actor.ends(tenure)
    return actor.name


async def look_on(actor: Actor) -> None:
    """Wait for results without taking part, as long as anybody does."""
    for number in range(1, BUILDS + 1):
        build = Build(actor.client, _prefix(number))
        while not actor.is_over() or actor.oracle.keys(build.key):
            try:
                if actor.is_over():
                    _received(actor, build, await build.wait())
                    break
                built = await build.result()
                if built is not None:
                    _received(actor, build, built)
                    break
            except CoordError as error:
                actor.failed(error)
            await actor.think(3.0)


def _received(actor: Actor, build: Build, built: Built) -> None:
    receipt = Receipt(build.key, built.value, built.revision, actor.now_ms)
    actor.journal.receipts.append(receipt)


def check_builds(told: Told) -> dict[str, int]:
    """Judge all builds."""
    results: dict[bytes, tuple[bytes, int]] = {}
    for event in in_order(told.events):
        kv = event.kv
        if kv.key.startswith(b"build/") and kv.key.endswith(b"/result"):
            if kv.key in results or event.kind is not EventKind.PUT:
                raise Violation(f"build: published more than once: {event}")
            results[kv.key] = kv.value, kv.mod_revision
    for receipt in told.journal.receipts:
        if results.get(receipt.key) != (receipt.value, receipt.revision):
            raise Violation(f"build: {receipt}, and published was {results.get(receipt.key)}")
        if receipt.at_ms < told.seen_ms[receipt.revision]:
            raise Violation(f"build: {receipt} came too early")
    counts = {"builds published": len(results), "results received": len(told.journal.receipts)}
    for number in range(1, BUILDS + 1):
        line = Line(f"build {number}", f"build/{number}/line/".encode())
        counts["builders held and lost"] = counts.get("builders held and lost", 0) + check_holders(
            told, line
        ).get(f"{line.name}: held and lost", 0)
    return counts
