"""What writers and watchers of a campaign remember, and the rules it must satisfy.

Pure: the campaign fills these in, `violations` judges them. A write whose answer was lost may be
there or not, but never twice; an acknowledged one is there exactly once, with the revision it
was told; every watcher saw every revision once, in order.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import attrs


@attrs.define
class WriterRecord:
    """One writer's puts, each to a key of its own."""

    acknowledged: dict[bytes, int] = attrs.field(factory=dict)
    """Key to the revision its answer named."""
    unknown: list[bytes] = attrs.field(factory=list)
    """Keys whose put ended as "maybe done"."""
    undone: list[bytes] = attrs.field(factory=list)
    """Keys whose put ended as "not done"."""
    answered_s: list[float] = attrs.field(factory=list)
    """When each answer came, on the campaign's monotonic clock."""


@attrs.define
class WatcherRecord:
    """What one watcher saw: (revision, key), in the order of arrival."""

    seen: list[tuple[int, bytes]] = attrs.field(factory=list)


@attrs.frozen
class Found:
    """One key as the store has it at the end."""

    create_revision: int
    version: int


def violations(
    writers: Sequence[WriterRecord], watchers: Sequence[WatcherRecord], store: Mapping[bytes, Found]
) -> list[str]:
    """Return every broken promise, in words; empty when all were kept."""
    broken: list[str] = []
    for writer in writers:
        broken.extend(_of_writer(writer, store))
    known = {
        key for writer in writers for key in (*writer.acknowledged, *writer.unknown, *writer.undone)
    }
    broken.extend(
        f"{key!r} is there, yet no put of it was ever made" for key in store.keys() - known
    )
    truth = sorted((found.create_revision, key) for key, found in store.items())
    for number, watcher in enumerate(watchers):
        broken.extend(f"watcher {number}: {fault}" for fault in _of_watcher(watcher, truth))
    return broken


def _of_writer(writer: WriterRecord, store: Mapping[bytes, Found]) -> list[str]:
    broken: list[str] = []
    for key, revision in writer.acknowledged.items():
        found = store.get(key)
        if found is None:
            broken.append(f"{key!r} was acknowledged at {revision} and is not there")
        elif found.version != 1:
            broken.append(f"{key!r} was put once and applied {found.version} times")
        elif found.create_revision != revision:
            broken.append(f"{key!r} was told {revision} and is at {found.create_revision}")
    for key in writer.unknown:
        if key in store and store[key].version != 1:
            broken.append(f"{key!r} (answer lost) was applied {store[key].version} times")
    broken.extend(
        f"{key!r} was told not done and is there" for key in writer.undone if key in store
    )
    return broken


def _of_watcher(watcher: WatcherRecord, truth: Sequence[tuple[int, bytes]]) -> list[str]:
    seen = watcher.seen
    if seen == list(truth):
        return []
    missed = len(set(truth) - set(seen))
    repeated = len(seen) - len(set(seen))
    disorder = sum(1 for a, b in pairwise(seen) if b[0] <= a[0])
    invented = len(set(seen) - set(truth))
    return [f"{missed} missed, {repeated} repeated, {disorder} out of order, {invented} invented"]


def resume_gaps_ms(kills_s: Sequence[float], writers: Sequence[WriterRecord]) -> list[float]:
    """Return, for each kill, the longest stretch without any answer until the next kill.

    Args:
        kills_s: when each kill happened, ascending.
        writers: with the times of their answers on the same clock.
    """
    answers = sorted(moment for writer in writers for moment in writer.answered_s)
    gaps = []
    for kill, until in zip(kills_s, [*kills_s[1:], float("inf")], strict=True):
        moments = [kill, *(moment for moment in answers if kill < moment <= until)]
        pairs = pairwise(moments)
        gaps.append(max((later - sooner for sooner, later in pairs), default=float("inf")) * 1000)
    return gaps
