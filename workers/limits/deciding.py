"""Which of the jobs that wait may pass, given how full their limits are: no client, no clock.

Jobs are looked at in order of urgency, then arrival. One passes when each of its limits has room.
One that does not makes nobody wait behind it, with one exception, for else a job under two limits
might starve between jobs that are under one of them: when it is the first in line of every limit
that stops it, its place at its other limits is kept for it. At most one job per limit is waited
for like this, and the oldest job of all never waits for a younger one, so that two cannot wait for
each other.
"""

from collections.abc import Iterable, Mapping, Sequence

from attrs import frozen

from workers.model.ids import JobId


@frozen
class Line:
    """One limit as it stands.

    Attributes:
        room: how many more it lets pass now; None for any number.
        waiting: the first jobs behind it, in order.
    """

    room: int | None
    waiting: Sequence[JobId] = ()


@frozen
class Candidate:
    """A parked job and the limits it is under."""

    job: JobId
    limits: Sequence[str]


def order(job: JobId) -> tuple[str, str]:
    """Return what jobs of all queues are sorted by: urgency, arrival, queue."""
    return (job.item, job.queue)


def decide(candidates: Iterable[Candidate], lines: Mapping[str, Line]) -> list[JobId]:
    """Return which candidates pass, in order.

    Args:
        candidates: parked jobs, in any order.
        lines: of every limit that a candidate is under.
    """
    room = {name: line.room for name, line in lines.items()}
    admitted: list[JobId] = []
    passed: set[JobId] = set()
    for candidate in sorted(candidates, key=lambda each: order(each.job)):
        stops = [name for name in candidate.limits if room[name] is not None and room[name] == 0]
        if stops and not all(_is_first(candidate.job, lines[name], passed) for name in stops):
            continue
        for name in candidate.limits:
            left = room[name]
            if left:
                room[name] = left - 1
        if not stops:
            admitted.append(candidate.job)
            passed.add(candidate.job)
    return admitted


def _is_first(job: JobId, line: Line, passed: set[JobId]) -> bool:
    """Whether nobody waits before a job any more."""
    return next((each for each in line.waiting if each not in passed), None) == job
