"""One space of jobs in a simulated run: where it is, which jobs are put into it, when all is over.

The programs of a play share nothing but the store and the run's journal. All is over once nobody
puts anything in any more and nothing waits, runs or is due.
"""

from collections.abc import Callable

import attrs

from recipes.testing.actor import Actor
from workers.model.job import Job
from workers.model.places import Places
from workers.pipelines.places import PipelinePlaces
from workers.store.jobs import JobStore
from workers.store.new import WhenTaken
from workers.testing.scheduling import LoopTimer

QUEUES = ("default", "other")
FUNCTION = "work"


@attrs.frozen
class Wish:
    """A job about to be enqueued."""

    queue: str
    job: Job
    priority: int = 4
    when_taken: WhenTaken = WhenTaken.REJECT


@attrs.frozen
class Play:
    """One space and what is put into it.

    Attributes:
        name: what it is called.
        draw: makes a job with this body.
        space: the prefix of its keys.
    """

    name: str
    draw: Callable[[Actor, str, int], Wish]
    space: bytes = attrs.field()

    @space.default
    def _its_name(self) -> bytes:
        return self.name.replace(" ", "-").encode() + b"/"

    @property
    def places(self) -> Places:
        """Its keys."""
        return Places(self.space)

    @property
    def busy(self) -> str:
        """What is at work as long as something may be put in."""
        return f"busy with {self.name}"

    def store(self, actor: Actor) -> JobStore:
        """Return the face programs use."""
        return JobStore(actor.client, self.places, LoopTimer())

    def is_over(self, actor: Actor) -> bool:
        """Whether nothing is left and nothing comes any more; nobody in the world can tell."""
        if not actor.is_over() or actor.journal.at_work[self.busy]:
            return False
        places = self.places
        prefixes = [places.due, PipelinePlaces(places).live]
        for queue in QUEUES:
            at = places.queue(queue)
            prefixes += [at.ready, at.held, at.later, at.parked]
        return all(actor.oracle.keys(prefix) == 0 for prefix in prefixes)
