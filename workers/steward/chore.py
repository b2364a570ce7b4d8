"""What the steward does, as it sees it: chores, each done for as long as a term of office lasts.

Every transaction of a chore carries `Term.guard()`, so that a steward which was replaced without
knowing changes nothing any more.
"""

import asyncio
from typing import Protocol

from attrs import field, frozen

from coord.requests import Compare
from workers.model.places import Places
from workers.port import JobClient


class Office(Protocol):
    """The leadership a term rests on."""

    def guard(self) -> Compare:
        """Return the condition that makes a transaction fail once the office has ended."""
        ...


@frozen
class Term:
    """One time in office.

    Attributes:
        client: to reach the store.
        places: of the space the office is for.
        office: won by a campaign.
        lost: set when it has ended, as far as this process knows; the guard knows better.
    """

    client: JobClient
    places: Places
    office: Office
    lost: asyncio.Event = field(factory=asyncio.Event)

    def guard(self) -> Compare:
        """Return the condition to put into every transaction."""
        return self.office.guard()


class Chore(Protocol):
    """Something that exactly one process shall do at a time."""

    @property
    def name(self) -> str:
        """What the log calls it."""
        ...

    async def run(self, term: Term) -> None:
        """Do it until cancelled, which happens when the term ends.

        It may raise whatever it likes: that is logged, and after a pause it is run again. It keeps
        nothing it could not read again from the store. When it returns it has nothing more to do
        in this term.
        """
        ...
