"""What a job is, and the states it goes through, as a table.

A job is an item of a queue; its state is the place its key stands in. No step is taken by
assignment: each is one transaction of the store (see `recipes.queue`), and the table says which
there are. Pure: no client, no clock.
"""

from enum import Enum

import msgspec


class State(Enum):
    """Where a job's key stands."""

    READY = "ready"
    HELD = "held"
    DONE = "done"
    DEAD = "dead"


class Step(Enum):
    """What moves a job from one state to the next."""

    CLAIM = "claim"  #: a worker takes it
    COMPLETE = "complete"  #: its holder records the result
    FAIL = "fail"  #: its holder records a failed attempt, more are allowed
    GIVE_BACK = "give back"  #: its holder lets go of it, as on shutdown
    EXPIRE = "expire"  #: its holder's lease ended
    BURY = "bury"  #: its holder gives it up for good
    REVIVE = "revive"  #: a person puts it back


STEPS: dict[tuple[State, Step], State] = {
    (State.READY, Step.CLAIM): State.HELD,
    (State.HELD, Step.COMPLETE): State.DONE,
    (State.HELD, Step.FAIL): State.READY,
    (State.HELD, Step.GIVE_BACK): State.READY,
    (State.HELD, Step.EXPIRE): State.READY,
    (State.HELD, Step.BURY): State.DEAD,
    (State.DEAD, Step.REVIVE): State.READY,
}
"""Every step there is. What is not here cannot happen."""


def after(state: State, step: Step) -> State | None:
    """Return the state `step` leads to, or None where it cannot be taken."""
    return STEPS.get((state, step))


class Job(msgspec.Struct, frozen=True):
    """What is to be done: a job function's name and its arguments, as JSON can say them."""

    name: str
    args: dict[str, object] = {}

    def encode(self) -> bytes:
        """Return the queue item that stands for this job."""
        return msgspec.json.encode(self)


def read_job(body: bytes) -> Job | None:
    """Return the job a queue item stands for, or None where it is none."""
    try:
        return msgspec.json.decode(body, type=Job)
    except msgspec.MsgspecError:
        return None


class Finished(msgspec.Struct, frozen=True, tag="finished"):
    """An attempt that ended well; `result` is JSON."""

    result: bytes


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """An attempt that did not: why, and whether another could fare better."""

    cause: str
    again: bool = True


Outcome = Finished | Failed
