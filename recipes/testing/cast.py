"""Which recipes a run is about: for each, the programs that use it and the check that judges it."""

from collections.abc import Callable, Mapping
from random import Random

import attrs

from coord.testing.violation import Violation
from recipes.testing import (
    building,
    combining,
    dividing,
    gating,
    grouping,
    holders,
    kinds,
    queueing,
    telling,
)
from recipes.testing.actor import Program
from recipes.testing.hold_checks import LINES, Line, Told, check_holders, check_observers
from recipes.testing.queue_checks import check_queue
from recipes.testing.queueing import QueuePlay
from recipes.testing.truth import lives

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

    def draw(self, luck: Random, *, is_first: bool) -> list[tuple[str, Program]]:
        """Choose what one process runs; the first of a run has one of everything at least."""
        return [
            (f"{name}{number}", program)
            for name, program, fewest, most in self.programs
            for number in range(1, max(luck.randint(fewest, most), int(is_first)) + 1)
        ]


def _holders(line: Line, *programs: tuple[str, Program, int, int]) -> Part:
    def check(told: Told) -> Counts:
        return check_holders(told, line)

    return Part(line.name, programs, check)


def _check_office(told: Told) -> Counts:
    return {**check_holders(told, _OFFICE), **check_observers(told, _OFFICE)}


def _queue(name: str, play: QueuePlay) -> Part:
    def check(told: Told) -> Counts:
        log = check_queue(told.events, told.journal, play.prefix, has_names=play.kind == "id")
        settled = [each for each in told.journal.settlements if each.delivery.queue == play.prefix]
        counts = {
            f"{name}: items put": len(log.bodies),
            f"{name}: items done": len(log.done),
            f"{name}: items buried": len(log.dead),
            f"{name}: items redelivered": log.redelivered,
            f"{name}: completions": sum(bool(each.revision) for each in settled),
            f"{name}: stale completions refused": sum(not each.revision for each in settled),
        }
        if play.in_batches:
            counts[f"{name}: opened"] = gating.check_batches(told, play.latch, log)
        elif play.kind == "delay":
            kinds.check_times(told, play.prefix)
        elif play.kind == "id":
            kinds.check_names(told, len(log.bodies), play.prefix)
        elif play.gate_at:
            ready = play.prefix + b"ready/"
            gating.check_opening(told, play.prefix + b"gate", ready, play.gate_at)
            opened = [latch.token for latch in lives(told.events, play.latch)]
            if log.claimed_at and (not opened or log.claimed_at < opened[0]):
                raise Violation(f"{name}: taken at {log.claimed_at}, opened at {opened}")
            counts[f"{name}: opened"] = len(opened)
        return counts

    programs: list[tuple[str, Program, int, int]] = [
        ("produce", play.produce, 0, 1),
        ("consume", play.consume, 1, 2),
    ]
    if play.in_batches:
        programs.append(("let out", play.let_out, 0, 0))
    if play.kind == "delay":
        programs.append(("move", play.move, 0, 1))
    return Part(name, tuple(programs), check)


_LOCK, _RW, _SEM, _OFFICE = LINES
PARTS = (
    _holders(_LOCK, ("lock", holders.contender(holders.lock), 1, 2)),
    _holders(
        _RW,
        ("reader", holders.contender(holders.reader), 1, 1),
        ("writer", holders.contender(holders.writer), 0, 1),
    ),
    _holders(_SEM, ("permit", holders.contender(holders.permit), 1, 2)),
    Part("office", (("office", holders.contender(holders.office), 1, 1),
                    ("observe", holders.observe, 0, 1)), _check_office),
    _queue("queue", queueing.OPEN),
    _queue("gated queue", queueing.GATED),
    _queue("queue in batches", queueing.BATCHES),
    _queue("priority queue", queueing.PRIORITY),
    _queue("delay queue", queueing.DELAYED),
    _queue("id queue", queueing.NAMED),
    _queue("sharded queue", queueing.SHARDED),
    Part("size gate", (("fill", gating.fill, 0, 1), ("pass", gating.pass_size, 1, 2)),
         gating.check_size),
    Part("conditions", (("fill", combining.fill, 0, 1), ("signal", combining.signal, 0, 1),
                        ("keep", combining.keep, 0, 1), ("pass", combining.pass_gate, 0, 1)),
         combining.check_gate),
    Part("signal", (("signal", gating.signal, 0, 1), ("hear", gating.pass_signal, 1, 2)),
         gating.check_signal),
    Part("build", (("build", building.take_part, 1, 1), ("look", building.look_on, 0, 1)),
         building.check_builds),
    Part("division", (("change", dividing.change, 0, 1), ("belong", dividing.belong, 1, 1)),
         dividing.check_division),
    Part("board", (("write", telling.write, 0, 1), ("read", telling.read, 1, 2)),
         telling.check_board),
    Part("sum", (("add", telling.add, 1, 2),), telling.check_sum),
    Part("group", (("join", grouping.join, 1, 2), ("follow", grouping.follow, 0, 1)),
         grouping.check_group),
)  # fmt: skip
