"""What a campaign does: how long, how much, how often somebody is hit, and the jobs it enqueues."""

from enum import Enum
from random import Random
from typing import Any

from attrs import frozen

from workers.app.call import Call
from workers.chaos import jobs
from workers.limits.rule import Rule

DELAY_MS_MAX = 3_000
FEW = Rule(concurrency=3)
PACED = Rule(rate=40, period_ms=1_000, burst=4)


@frozen
class Plan:
    """Numbers of a campaign.

    Attributes:
        seed: of all that is drawn.
        seconds: for how long jobs are enqueued and processes are hit.
        rate: jobs enqueued per second.
        workers: worker processes.
        slots: jobs each runs at a time.
        ttl_s: of their sessions.
        hit_every_s: how often some process is killed or stopped.
        settle_s: how long the jobs may take to end when all hits are over.
    """

    seed: int = 1
    seconds: float = 60.0
    rate: float = 340.0
    workers: int = 4
    slots: int = 4
    ttl_s: float = 2.0
    hit_every_s: float = 2.0
    settle_s: float = 120.0


class Kind(Enum):
    """Kinds of jobs, by what is special about them."""

    PLAIN = "plain"
    DELAYED = "delayed"
    FAILING = "failing"
    HOPELESS = "hopeless"
    CRASHING = "crashing"
    FEW = "few"
    PACED = "paced"


_WEIGHTS = {
    Kind.PLAIN: 60, Kind.DELAYED: 15, Kind.FAILING: 8, Kind.HOPELESS: 3, Kind.CRASHING: 1,
    Kind.FEW: 3, Kind.PACED: 5,
}  # fmt: skip


def draw_kind(luck: Random) -> Kind:
    """Draw what kind the next job is."""
    (kind,) = luck.choices(list(_WEIGHTS), list(_WEIGHTS.values()))
    return kind


def make_call(kind: Kind, number: int, luck: Random) -> Call[Any]:
    """Return a job of a kind."""
    match kind:
        case Kind.DELAYED:
            late = jobs.work.options(delay_ms=luck.randint(20, DELAY_MS_MAX))
            return late.call(number)
        case Kind.FAILING:
            return jobs.work.call(number, failures=luck.randint(1, 3))
        case Kind.HOPELESS:
            return jobs.hopeless.call(number)
        case Kind.CRASHING:
            return jobs.crashing.call(number)
        case Kind.FEW:
            return jobs.work.options(limits=(jobs.LIMIT,)).call(number, sleep_ms=10)
        case Kind.PACED:
            return jobs.work.options(queue=jobs.PACED_QUEUE).call(number)
        case _:
            return jobs.work.call(number, sleep_ms=luck.choice((0, 0, 0, 0, 5, 5, 50, 200)))
