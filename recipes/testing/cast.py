"""Which recipes a run is about: for each, the programs that use it and the check that judges it."""

from collections.abc import Callable, Mapping
from random import Random

import attrs

from recipes.testing import holders, queueing
from recipes.testing.actor import Program
from recipes.testing.hold_checks import LINES, Line, Told, check_holders
from recipes.testing.queue_checks import check_queue

Counts = Mapping[str, int]


@attrs.frozen
class Part:
    """One recipe in a run.

    Attributes:
        name: what it is called.
        programs: by name, with how many of each a process runs, at least and at most.
        check: judges what came of it, and counts what happened.
    """

    name: str
    programs: tuple[tuple[str, Program, int, int], ...]
    check: Callable[[Told], Counts]

    def draw(self, luck: Random) -> list[tuple[str, Program]]:
        """Choose what one process runs."""
        return [
            (f"{name}{number}", program)
            for name, program, fewest, most in self.programs
            for number in range(1, luck.randint(fewest, most) + 1)
        ]


def _holders(line: Line, *programs: tuple[str, Program, int, int]) -> Part:
    def check(told: Told) -> Counts:
        return check_holders(told, line)

    return Part(line.name, programs, check)


def _check_queue(told: Told) -> Counts:
    log = check_queue(told.events, told.journal)
    return {
        "items put": len(log.bodies),
        "items done": len(log.done),
        "items buried": len(log.dead),
        "items redelivered": log.redelivered,
        "items given back": log.given_back,
        "completions": sum(bool(s.revision) for s in told.journal.settlements),
        "stale completions refused": sum(not s.revision for s in told.journal.settlements),
    }


_LOCK, _RW, _SEM, _OFFICE = LINES
PARTS = (
    _holders(_LOCK, ("lock", holders.contender(holders.lock), 1, 2)),
    _holders(
        _RW,
        ("reader", holders.contender(holders.reader), 1, 1),
        ("writer", holders.contender(holders.writer), 0, 1),
    ),
    _holders(_SEM, ("permit", holders.contender(holders.permit), 1, 2)),
    _holders(_OFFICE, ("office", holders.contender(holders.office), 1, 1)),
    Part(
        "queue",
        (("produce", queueing.produce, 0, 1), ("consume", queueing.consume, 1, 2)),
        _check_queue,
    ),
)
