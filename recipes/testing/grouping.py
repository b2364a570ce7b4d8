"""Programs that join a group under contested names, and others that follow who is there.

What a follower shows must be what the log says at the revision it names, and in the end all must
have seen that everybody left.
"""

import asyncio

from coord.errors import CoordError
from coord.testing.violation import Violation
from recipes.membership import Group
from recipes.testing.actor import Actor
from recipes.testing.hold_checks import Told
from recipes.testing.journal import Listing
from recipes.testing.truth import lives

PREFIX = b"group/"
NAMES = ("ann", "bob", "cyd")
_JOINERS = "joiners of the group"


async def join(actor: Actor) -> None:
    """Be a member for a while, under a name that others want too."""
    group = Group(actor.client, PREFIX)
    with actor.at_work(_JOINERS):
        while not actor.is_over():
            name = actor.luck.choice(NAMES)
            try:
                async with group.join(name, actor.name, ttl_ms=actor.ttl_ms) as presence:
                    await actor.think(10.0)
                    if actor.luck.random() < 0.5:
                        await presence.update(f"{actor.name} again")
                    actor.journal.counts["came back after a loss"] += presence.appearances - 1
            except CoordError as error:
                actor.failed(error)
            await actor.think()


async def follow(actor: Actor) -> None:
    """Follow the members until everybody has left."""
    while True:
        try:
            async with Group(actor.client, PREFIX) as group:
                await _follow(actor, group)
                return
        except CoordError as error:
            actor.failed(error)
            await actor.think()


async def _follow(actor: Actor, group: Group) -> None:
    over = asyncio.ensure_future(actor.until(lambda: _is_over(actor)))
    try:
        while not (over.done() and not group.members):
            members = tuple((member.name, member.joined) for member in group.members)
            actor.journal.listings.append(Listing(group.revision, members))
            change = asyncio.ensure_future(group.change())
            await asyncio.wait(
                (change, over) if not over.done() else (change,),
                return_when=asyncio.FIRST_COMPLETED,
            )
            change.cancel()
            await asyncio.gather(change, return_exceptions=True)
    finally:
        over.cancel()


def _is_over(actor: Actor) -> bool:
    return actor.is_over() and not actor.journal.at_work[_JOINERS]


def check_group(told: Told) -> dict[str, int]:
    """Judge what followers saw."""
    members = lives(told.events, PREFIX)
    for listing in told.journal.listings:
        at = listing.revision
        there = tuple(
            (life.key.removeprefix(PREFIX).decode(), life.token)
            for life in members
            if life.token <= at < life.end
        )
        if listing.members != there:
            raise Violation(f"group: {listing}, and the log has {there}")
    return {"members joined": len(members), "lists seen": len(told.journal.listings)}
