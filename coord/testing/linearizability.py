"""Is there an order of the operations that explains every answer and respects real time?

The search of Wing and Gong with the memory of Lowe: try to place each operation that could come
next, remember (set placed, state) pairs already seen, back out where an operation that has
returned cannot be placed. Histories are split by key first, which is sound as long as each
operation touches one key (Horn and Kroening, arXiv 1504.00204).

An operation without a known outcome returns at infinity and may stay out altogether. The
question is NP-complete, so the search has a cap, and a third answer for when it was reached.
"""

import math
from collections.abc import Hashable, Sequence
from enum import Enum
from typing import Generic, Protocol, TypeVar

import attrs

S = TypeVar("S", bound=Hashable)
C = TypeVar("C")
A = TypeVar("A")
C_contra = TypeVar("C_contra", contravariant=True)
A_contra = TypeVar("A_contra", contravariant=True)

FOREVER = math.inf


class Verdict(Enum):
    """What the search found."""

    OK = "ok"
    ILLEGAL = "illegal"
    UNKNOWN = "unknown"  #: the cap was reached first


@attrs.frozen
class Operation(Generic[C, A]):
    """One call and its answer. `answer` None: not known, and then `returned` is FOREVER.

    `called` and `returned` are places on one strictly ordered line, such as a counter.
    """

    called: float
    returned: float
    call: C
    answer: A | None


class Model(Protocol[S, C_contra, A_contra]):
    """A sequential object: what one operation does to a state."""

    def initial(self) -> S:
        """The state before any operation."""
        ...

    def step(self, state: S, call: C_contra, answer: A_contra | None) -> S | None:
        """The state after `call`, or None where it could not have given `answer` here.

        An `answer` of None was never seen and constrains nothing.
        """
        ...


class _Search(Generic[S, C, A]):
    """One search over one key's history; call and return events form a linked list."""

    def __init__(self, model: Model[S, C, A], history: Sequence[Operation[C, A]]) -> None:
        self._model = model
        self._history = history
        events: list[tuple[float, int, int]] = []
        for number, operation in enumerate(history):
            assert operation.called < operation.returned
            events.append((operation.called, number, 0))
            if operation.returned != FOREVER:
                events.append((operation.returned, number, 1))
        events.sort()
        self._count = len(events)
        self._number = [number for _, number, _ in events]
        self._is_call = [kind == 0 for _, _, kind in events]
        # Places 0 .. count-1 are events; `count` is the head and the end of the ring.
        self._next = [*range(1, self._count + 1), 0]
        self._previous = [self._count, *range(self._count)]
        self._return_of = [-1] * len(history)
        for place in range(self._count):
            if not self._is_call[place]:
                self._return_of[self._number[place]] = place
        self._unplaced_returns = self._count - sum(self._is_call)

    def run(self, steps_max: int) -> Verdict:
        """Search until an order is found, none can be, or `steps_max` model steps were tried."""
        head = self._count
        state = self._model.initial()
        placed = 0
        seen: set[tuple[int, S]] = {(placed, state)}
        path: list[tuple[int, S]] = []
        place = self._next[head]
        steps = 0
        while self._unplaced_returns:
            if place != head and self._is_call[place]:
                steps += 1
                if steps > steps_max:
                    return Verdict.UNKNOWN
                number = self._number[place]
                operation = self._history[number]
                after = self._model.step(state, operation.call, operation.answer)
                mark = placed | (1 << number)
                if after is not None and (mark, after) not in seen:
                    seen.add((mark, after))
                    path.append((place, state))
                    placed, state = mark, after
                    self._lift(place)
                    place = self._next[head]
                else:
                    place = self._next[place]
                continue
            if not path:
                return Verdict.ILLEGAL
            place, state = path.pop()
            placed &= ~(1 << self._number[place])
            self._unlift(place)
            place = self._next[place]
        return Verdict.OK

    def _lift(self, place: int) -> None:
        self._unlink(place)
        back = self._return_of[self._number[place]]
        if back >= 0:
            self._unlink(back)
            self._unplaced_returns -= 1

    def _unlift(self, place: int) -> None:
        back = self._return_of[self._number[place]]
        if back >= 0:
            self._relink(back)
            self._unplaced_returns += 1
        self._relink(place)

    def _unlink(self, place: int) -> None:
        before, after = self._previous[place], self._next[place]
        self._next[before], self._previous[after] = after, before

    def _relink(self, place: int) -> None:
        before, after = self._previous[place], self._next[place]
        self._next[before], self._previous[after] = place, place


def check(
    model: Model[S, C, A], history: Sequence[Operation[C, A]], steps_max: int = 200_000
) -> Verdict:
    """Decide whether one key's history is linearizable.

    Args:
        model: the object the history claims to be of.
        history: operations in any order; no two of them share a `called` or `returned` place.
        steps_max: how many model steps to try before giving up.

    Returns:
        OK, ILLEGAL, or UNKNOWN when the cap was reached.
    """
    return _Search(model, history).run(steps_max)
