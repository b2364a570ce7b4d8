"""Which plays a run may be about: for each, the programs that take part, and what judges them."""

from collections import Counter
from collections.abc import Callable

from recipes.testing.actor import Program
from recipes.testing.cast import Part
from recipes.testing.hold_checks import Told
from workers.testing.sim import gating, pipelining, scheduling, wishing
from workers.testing.sim.enqueuing import enqueuing, meddling, waiting
from workers.testing.sim.judging import check_jobs
from workers.testing.sim.play import Play
from workers.testing.sim.working import working


def _part(
    play: Play,
    *more: tuple[str, Program, int, int],
    check: Callable[[Told, Play], Counter[str]] = check_jobs,
) -> Part:
    def judge(told: Told) -> Counter[str]:
        return check(told, play)

    return Part(play.name, (("work", working(play), 1, 1), *more), judge)


def _around(play: Play, *, with_limits: bool = False) -> tuple[tuple[str, Program, int, int], ...]:
    return (
        ("enqueue", enqueuing(play), 0, 1),
        ("wait", waiting(play), 0, 1),
        ("meddle", meddling(play, with_limits=with_limits), 0, 1),
    )


_JOBS = Play("jobs", wishing.plain)
_UNIQUE = Play("unique jobs", wishing.unique)
_LIMITED = Play("limited jobs", wishing.limited)
_GATED = Play("gated jobs", wishing.plain)
_PIPELINES = Play("pipelines", wishing.plain)

PARTS = (
    _part(_JOBS, *_around(_JOBS)),
    _part(_UNIQUE, *_around(_UNIQUE)),
    _part(_LIMITED, *_around(_LIMITED, with_limits=True)),
    _part(_GATED, *_around(_GATED), ("keep", gating.keeping(_GATED), 0, 1)),
    _part(
        _PIPELINES,
        ("start", pipelining.starting(_PIPELINES), 0, 1),
        ("meddle", pipelining.meddling(_PIPELINES), 0, 1),
        check=pipelining.check_pipelines,
    ),
    _part(
        scheduling.PLAY,
        ("edit", scheduling.editing(), 0, 1),
        check=scheduling.check_schedules,
    ),
)
