"""How a worker works, and what it counts."""

from attrs import Factory, define, field, frozen
from attrs.validators import and_, ge, instance_of, le, matches_re

from coord.client.ops import Text
from workers.policy import RetryPolicy


@frozen
class WorkerSettings:
    """How a worker works.

    Attributes:
        name: unique among living workers; not empty, without a slash.
        queue: the queue's prefix.
        app: where the job functions are, "package.module:attribute".
        slots: jobs at a time, 1 to 1024.
        ttl_ms: how long after its last sign of life its jobs go to others; at least 100.
        progress: the prefix under which jobs' progress is reported.
        retry: how often a job is tried.
        retry_pause_s: pause before asking an unavailable cluster again, seconds.
        hand_back_s: how long a worker that stops tries to hand back, seconds; then its lease does.
    """

    name: str = field(validator=matches_re(r"[^/]+"))
    queue: Text
    app: str = field(validator=matches_re(r"[\w.]+:\w+"))
    slots: int = field(default=1, validator=and_(instance_of(int), ge(1), le(1024)))
    ttl_ms: int = field(default=10_000, validator=ge(100))
    progress: Text = "progress/"
    retry: RetryPolicy = Factory(RetryPolicy)
    retry_pause_s: float = 0.2
    hand_back_s: float = 2.0


@define
class Tally:
    """What a worker has done since it was started."""

    completed: int = 0
    failed: int = 0
    stale: int = 0
    """Outcomes refused because the claim had ended: the job was in other hands by then."""
    sessions_lost: int = 0
    handed_back: list[str] = Factory(list)
    """Ids of the jobs returned to the queue when the worker was stopped."""
