"""What every part of the in-memory network shares: time, luck, the weather, and which ways are cut.

Nothing here keeps a clock or a seed of its own: the owner hands in both, so the same owner with
the same seed sees the same network. Hosts are names; a cut is one-way, from one host to another.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Protocol


class Timeline(Protocol):
    """The owner's virtual time."""

    @property
    def now_ms(self) -> float:
        """The present moment."""
        ...

    def at(self, due_ms: float, action: Callable[[], None]) -> object:
        """Let `action` happen at `due_ms`; of two at one moment the first put in is first."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """How bad the network is. Chances are per message, 0.0 to 1.0; the default is a still day."""

    loss: float = 0.0
    """A message between peers vanishes."""
    duplicate: float = 0.0
    """A message between peers arrives twice: worse than the port promises, on purpose."""
    breaks: float = 0.0
    """A client's connection breaks at this message, which is lost with all behind it."""
    delay_min_ms: float = 0.0
    delay_mean_ms: float = 0.0
    """Mean of what comes on top of the least delay, exponential. Peers' messages overtake each
    other by it; a client's connection keeps its order."""
    straggler: float = 0.0
    """A message takes up to fifty times as long."""


_STRAGGLE_FACTOR_MAX = 50.0


class Space:
    """Time, luck, weather and cuts of one network."""

    def __init__(self, timeline: Timeline, luck: Random, weather: Weather) -> None:
        self.timeline = timeline
        self.weather = weather
        self._luck = luck
        self._cuts: set[tuple[str, str]] = set()

    @property
    def now_ms(self) -> float:
        """The present moment."""
        return self.timeline.now_ms

    def happens(self, chance: float) -> bool:
        """Draw whether something of this chance happens; draws nothing where it cannot."""
        return chance > 0 and self._luck.random() < chance

    def delay_ms(self) -> float:
        """Draw how long one message takes."""
        weather = self.weather
        delay_ms = weather.delay_min_ms
        if weather.delay_mean_ms > 0:
            delay_ms += self._luck.expovariate(1.0) * weather.delay_mean_ms
        if self.happens(weather.straggler):
            delay_ms *= self._luck.uniform(1.0, _STRAGGLE_FACTOR_MAX)
        return delay_ms

    def after(self, delay_ms: float, action: Callable[[], None]) -> None:
        """Let `action` happen `delay_ms` from now."""
        self.timeline.at(self.timeline.now_ms + delay_ms, action)

    def cut(self, source: str, target: str) -> None:
        """Let nothing pass from one host to another. Again: no effect."""
        self._cuts.add((source, target))

    def heal(self, source: str, target: str) -> None:
        """Undo one cut, if it stands."""
        self._cuts.discard((source, target))

    def is_cut(self, source: str, target: str) -> bool:
        """Whether nothing passes from one host to another."""
        return (source, target) in self._cuts
