"""Which plays a run may be about: for each, the programs that take part, and what judges them."""

from collections import Counter

from recipes.testing.actor import Program
from recipes.testing.cast import Part
from recipes.testing.hold_checks import Told
from workers.testing.sim import wishing
from workers.testing.sim.enqueuing import enqueuing, meddling, waiting
from workers.testing.sim.judging import check_jobs
from workers.testing.sim.play import Play
from workers.testing.sim.working import working


def _part(play: Play, *more: tuple[str, Program, int, int], with_limits: bool = False) -> Part:
    def check(told: Told) -> Counter[str]:
        return check_jobs(told, play)

    programs: tuple[tuple[str, Program, int, int], ...] = (
        ("enqueue", enqueuing(play), 0, 1),
        ("work", working(play), 1, 1),
        ("wait", waiting(play), 0, 1),
        ("meddle", meddling(play, with_limits=with_limits), 0, 1),
        *more,
    )
    return Part(play.name, programs, check)


PARTS = (
    _part(Play("jobs", wishing.plain)),
    _part(Play("unique jobs", wishing.unique)),
    _part(Play("limited jobs", wishing.limited), with_limits=True),
)
