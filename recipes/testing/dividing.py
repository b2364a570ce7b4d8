"""Programs that divide a set of items among themselves, while items and members come and go.

Each member works at its items, writing under guard. When all is healed and nothing changes any
more, every item must be held, by one member, and no member may hold more than its share.
"""

import asyncio

from coord.errors import CoordError
from coord.testing.violation import Violation
from recipes.partitioner import Partitioner, Share
from recipes.testing.actor import Actor
from recipes.testing.hold_checks import Line, Told, check_holders
from recipes.testing.truth import FOREVER, lives

PREFIX = b"parts/"
ITEMS, CLAIMS = PREFIX + b"items/", PREFIX + b"claims/"
NAMES = [f"i{number}" for number in range(8)]
LINE = Line("parts", CLAIMS, blocks=lambda earlier, later: earlier.key == later.key,
            is_exclusive=False)  # fmt: skip
_MEMBERS = "members of the division"
_STILL_S = 1.0  # for so long nothing must have changed before it counts as at rest
_LOOK_S = 0.05


async def change(actor: Actor) -> None:
    """Add and remove items until told to stop."""
    partitioner = Partitioner(actor.client, PREFIX, actor.name, ttl_ms=actor.ttl_ms)
    with actor.at_work("changes of the division"):
        while not actor.is_over():
            try:
                item = actor.luck.choice(NAMES)
                if actor.luck.random() < 0.7:
                    await partitioner.add(item, actor.name)
                else:
                    await partitioner.remove(item)
            except CoordError as error:
                actor.failed(error)
            await actor.think(8.0)


async def belong(actor: Actor) -> None:
    """Be a member; now and then leave and come again, until all has come to rest."""
    with actor.at_work(_MEMBERS):
        while not actor.is_over():
            await _membership(actor, f"{actor.name}-{actor.luck.randrange(1 << 30)}")


async def _membership(actor: Actor, name: str) -> None:
    partitioner = Partitioner(actor.client, PREFIX, name, ttl_ms=actor.ttl_ms)
    running = asyncio.ensure_future(partitioner.run(lambda share: _work(actor, share)))
    leaving = asyncio.ensure_future(_leave(actor, partitioner))
    try:
        await asyncio.wait((running, leaving), return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
    finally:
        for task in (running, leaving):
            task.cancel()
        await asyncio.gather(running, leaving, return_exceptions=True)


async def _leave(actor: Actor, partitioner: Partitioner) -> None:
    """Return when it is time to leave: after a while, or when all have come to rest."""
    if actor.luck.random() < 0.5:
        await actor.think(40.0)
        if not actor.is_over():
            actor.count("members that left")
            return
    await actor.until(actor.is_over)
    still_s = 0.0
    while still_s < _STILL_S:
        await asyncio.sleep(_LOOK_S)
        still_s = still_s + _LOOK_S if _is_at_rest(actor) else 0.0
    journal = actor.journal
    journal.shares[actor.name] = tuple(partitioner.held)
    await actor.until(lambda: len(journal.shares) >= journal.at_work[_MEMBERS])


def _is_at_rest(actor: Actor) -> bool:
    oracle, at_work = actor.oracle, actor.journal.at_work
    return (
        not at_work["changes of the division"]
        and oracle.keys(CLAIMS) == oracle.keys(ITEMS)
        and oracle.keys(PREFIX + b"members/") == at_work[_MEMBERS]
    )


async def _work(actor: Actor, share: Share) -> None:
    tenure = actor.begins(LINE.name, share)
    actor.count("items begun")
    try:
        while True:
            await actor.think(4.0)
            try:
                await actor.write(tenure, share.guard())
            except CoordError as error:
                actor.failed(error)
    finally:
        if actor.luck.random() < 0.3:
            await asyncio.sleep(0.002)  # tidying up takes time
        actor.ends(tenure)


def check_division(told: Told) -> dict[str, int]:
    """Judge who worked at what, and how it was divided in the end."""
    counts = check_holders(told, LINE)
    items = {life.key.removeprefix(ITEMS).decode() for life in lives(told.events, ITEMS)
             if life.end == FOREVER}  # fmt: skip
    shares = told.journal.shares
    held = [item for share in shares.values() for item in share]
    if sorted(held) != sorted(items):
        raise Violation(f"division: {sorted(items)} are held as {shares}")
    even = -(-len(items) // max(1, len(shares)))
    if any(len(share) > even for share in shares.values()):
        raise Violation(f"division: more than {even}: {shares}")
    return {**counts, "divisions complete": bool(held)}
