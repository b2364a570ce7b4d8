"""The states of a job, as a table.

A job's state is the place its key stands in (see `places`). No step is taken by assignment: each
is one transaction of the store, built in `workers.steps`, and this table says which there are.
"""

from enum import Enum


class State(Enum):
    """Where a job's key stands, or what its ending says."""

    LATER = "later"  #: waits for a time
    PARKED = "parked"  #: waits until its limits let it pass
    READY = "ready"  #: may be claimed
    HELD = "held"  #: runs
    DONE = "done"  #: ended well
    DEAD = "dead"  #: failed for good; can be replayed
    CANCELLED = "cancelled"  #: ended by request
    EXPIRED = "expired"  #: never started in time


class Step(Enum):
    """What moves a job from one state to the next."""

    FALL_DUE = "fall due"  #: its time has come
    ADMIT = "admit"  #: its limits let it pass
    PARK = "park"  #: its queue came under a limit
    CLAIM = "claim"  #: a worker takes it
    COMPLETE = "complete"  #: its holder records the result
    RETRY = "retry"  #: its holder records a failed attempt and when to try again
    SNOOZE = "snooze"  #: it put itself off
    GIVE_BACK = "give back"  #: its holder lets go of it, as on shutdown
    LOSE = "lose"  #: its holder's lease ended
    BURY = "bury"  #: its holder gives it up for good
    CANCEL = "cancel"  #: a person or a program wants it no more
    EXPIRE = "expire"  #: its time to start has passed
    REPLAY = "replay"  #: a person puts it back


ENDED = frozenset({State.DONE, State.DEAD, State.CANCELLED, State.EXPIRED})

STEPS: dict[tuple[State, Step], tuple[State, ...]] = {
    (State.LATER, Step.FALL_DUE): (State.READY, State.PARKED),
    (State.PARKED, Step.ADMIT): (State.READY,),
    (State.READY, Step.PARK): (State.PARKED,),
    (State.READY, Step.CLAIM): (State.HELD,),
    (State.HELD, Step.COMPLETE): (State.DONE,),
    (State.HELD, Step.RETRY): (State.LATER,),
    (State.HELD, Step.SNOOZE): (State.LATER,),
    (State.HELD, Step.GIVE_BACK): (State.READY,),
    (State.HELD, Step.LOSE): (State.READY,),
    (State.HELD, Step.BURY): (State.DEAD,),
    (State.HELD, Step.CANCEL): (State.CANCELLED,),
    (State.HELD, Step.EXPIRE): (State.EXPIRED,),
    (State.LATER, Step.CANCEL): (State.CANCELLED,),
    (State.PARKED, Step.CANCEL): (State.CANCELLED,),
    (State.READY, Step.CANCEL): (State.CANCELLED,),
    (State.LATER, Step.EXPIRE): (State.EXPIRED,),
    (State.PARKED, Step.EXPIRE): (State.EXPIRED,),
    (State.READY, Step.EXPIRE): (State.EXPIRED,),
    (State.DEAD, Step.REPLAY): (State.READY, State.PARKED),
    # Of a group only: it keeps what did not end well, see `places`.
    (State.CANCELLED, Step.REPLAY): (State.READY, State.PARKED),
    (State.EXPIRED, Step.REPLAY): (State.READY, State.PARKED),
}
"""Every step there is, with the states it may lead to. What is not here cannot happen."""


def after(state: State, step: Step) -> tuple[State, ...]:
    """Return the states `step` may lead to; none where it cannot be taken."""
    return STEPS.get((state, step), ())
