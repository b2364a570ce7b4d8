"""Balancer: picks the instance the next call goes to: in turn, the least busy, or by weight.

Guarantee: only instances that are listed are picked, so one that stopped or whose lease ran out
costs no failed call from the moment this process was told. One that failed a call is set aside
until it registers anew or its pause is over, unless all are: then it is better than nobody. Over
any run of picks from an unchanged list, turns are even, and weighted ones even by weight.

What breaks it: an instance that died within its time to live may still be picked once; the call
must be able to fail. What one balancer knows of failures and load, others do not.

Cost: a pick is a look into memory. The list behind it costs one read and one watch.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Protocol

from coord.errors import ErrorCode, Unavailable
from recipes.registry import Instance

PAUSE_S = 5.0


class Policy(Enum):
    """How the next instance is chosen."""

    ROUND_ROBIN = "round robin"  #: each in turn
    LEAST_BUSY = "least busy"  #: fewest calls under way for its weight; in turn among equals
    WEIGHTED = "weighted"  #: in turn, as often as its weight, well mixed


class Listed(Protocol):
    """The living instances, as `Registry.follow` shows them."""

    @property
    def living(self) -> tuple[Instance, ...]:
        """Who lives."""
        ...


class Balancer:
    """Spreads calls over a live list.

    Args:
        instances: what `Registry.follow` made, entered.
        policy: how to choose.
        pause_s: for how long one that failed is set aside, in seconds.
        now_s: a monotonic clock.
    """

    def __init__(
        self,
        instances: Listed,
        policy: Policy = Policy.ROUND_ROBIN,
        *,
        pause_s: float = PAUSE_S,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._instances = instances
        self._policy = policy
        self._pause_s = pause_s
        self._now_s = now_s
        self._seen: tuple[Instance, ...] = ()
        self._busy: dict[str, int] = {}
        self._credit: dict[str, int] = {}
        self._last_turn: dict[str, int] = {}
        self._turns = 0
        self._paused_until_s: dict[str, float] = {}

    def pick(self) -> Instance:
        """Choose an instance; tell `failed` if the call to it came to nothing.

        Raises:
            Unavailable: none is listed.
        """
        able = self._able()
        self._turns += 1
        match self._policy:
            case Policy.ROUND_ROBIN:
                chosen = min(able, key=self._turn)
            case Policy.LEAST_BUSY:
                chosen = min(able, key=lambda each: (self._load(each), self._turn(each)))
            case Policy.WEIGHTED:
                chosen = self._next_by_weight(able)
        self._last_turn[chosen.address] = self._turns
        return chosen

    @contextmanager
    def calling(self) -> Iterator[Instance]:
        """Choose an instance for the length of a `with` block, and count it busy meanwhile.

        OSError, TimeoutError and Unavailable leaving the block count as its failure, and pass on.

        Raises:
            Unavailable: none is listed.
        """
        chosen = self.pick()
        self._busy[chosen.address] = self._busy.get(chosen.address, 0) + 1
        try:
            yield chosen
        except (OSError, Unavailable):
            self.failed(chosen)
            raise
        finally:
            self._busy[chosen.address] -= 1
            if not self._busy[chosen.address]:
                del self._busy[chosen.address]

    def failed(self, instance: Instance) -> None:
        """Set an instance aside for a while: a call to it has failed."""
        self._paused_until_s[instance.address] = self._now_s() + self._pause_s

    @property
    def paused(self) -> tuple[str, ...]:
        """The addresses set aside at present."""
        now_s = self._now_s()
        return tuple(sorted(a for a, end_s in self._paused_until_s.items() if end_s > now_s))

    def busy(self, instance: Instance) -> int:
        """Return how many calls of this balancer are under way at an instance."""
        return self._busy.get(instance.address, 0)

    def _able(self) -> tuple[Instance, ...]:
        living = self._instances.living
        if living is not self._seen:
            self._forget_gone(living)
        if not living:
            raise Unavailable("no instance is listed", ErrorCode.KEY_NOT_FOUND)
        if not self._paused_until_s:
            return living
        paused = self.paused
        return tuple(each for each in living if each.address not in paused) or living

    def _forget_gone(self, living: tuple[Instance, ...]) -> None:
        """Start afresh with those that went: should they come back, they come as new."""
        self._seen = living
        addresses = {each.address for each in living}
        for table in (self._credit, self._last_turn, self._paused_until_s):
            for address in table.keys() - addresses:
                del table[address]

    def _turn(self, instance: Instance) -> int:
        return self._last_turn.get(instance.address, 0)

    def _load(self, instance: Instance) -> float:
        return self.busy(instance) / max(instance.weight, 1)

    def _next_by_weight(self, able: tuple[Instance, ...]) -> Instance:
        """Smooth weighted turns: everybody earns its weight, the richest pays for all."""
        for each in able:
            self._credit[each.address] = self._credit.get(each.address, 0) + each.weight
        chosen = max(able, key=lambda each: self._credit[each.address])
        self._credit[chosen.address] -= sum(each.weight for each in able)
        return chosen
