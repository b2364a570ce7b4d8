"""Everything that happened to jobs, revision by revision, judged as it comes in."""

import time
from collections.abc import Mapping
from itertools import groupby

from coord import aio
from coord.model import Cause, Event, EventKind
from coord.testing.violation import Violation
from workers.limits.bucket import decode_bucket
from workers.limits.rule import Rule
from workers.model.ids import JobId
from workers.model.places import Places
from workers.testing.ledger import Ledger
from workers.testing.spots import Kind, Spot, spot_of


class Witness:
    """Follows the whole space from the first revision on."""

    def __init__(self, places: Places, paced_limit: str) -> None:
        self.ledger = Ledger(places)
        self.violations: list[str] = []
        self.returns_s: list[float] = []
        """From a worker's kill or stop to its job being in line again, of each job it held."""
        self.hand_overs_s: list[float] = []
        """The same to the job's next claim: as long as jobs before it take, too."""
        self.paced: list[tuple[int, int]] = []
        """How many the paced limit let pass at what time by the steward's clock."""
        self._places = places
        self._bucket = places.bucket(paced_limit)
        self._admitted = places.admitted(paced_limit)
        self._lost_s: dict[JobId, float] = {}
        self._explained: dict[str, tuple[float, int]] = {}
        self._told_s = time.monotonic()

    async def follow(self, client: aio.Client, killed_s: Mapping[str, float]) -> None:
        """Take in every revision until cancelled.

        Args:
            client: to watch with.
            killed_s: when workers were hit, by name; it grows meanwhile.
        """
        async with client.watch(self._places.space, prefix=True, start_revision=1) as watch:
            async for batch in watch:
                self._told_s = time.monotonic()
                for _, events in groupby(batch.events, key=lambda event: event.kv.mod_revision):
                    self._take(list(events), killed_s)

    def is_stalled(self, after_s: float) -> bool:
        """Whether nothing at all has happened for so long."""
        return time.monotonic() - self._told_s > after_s

    def _take(self, events: list[Event], killed_s: Mapping[str, float]) -> None:
        try:
            self.ledger.feed(events)
        except Violation as error:
            self.violations.append(str(error))
        for event in events:
            spot = spot_of(self._places, event.kv.key)
            if spot is not None:
                self._time_hand_over(event, spot, killed_s)
        self._note_pace(events)

    def _time_hand_over(self, event: Event, spot: Spot, killed_s: Mapping[str, float]) -> None:
        if spot.kind is not Kind.HELD:
            return
        if event.cause is Cause.GIVEN_BACK and self._is_by_hit(event, spot, killed_s):
            self._lost_s[spot.job] = killed_s[spot.of]
            self.returns_s.append(time.monotonic() - killed_s[spot.of])
        elif event.kind is EventKind.PUT and spot.job in self._lost_s:
            self.hand_overs_s.append(time.monotonic() - self._lost_s.pop(spot.job))

    def _is_by_hit(self, event: Event, spot: Spot, killed_s: Mapping[str, float]) -> bool:
        """Whether a job went back for the last hit of its worker: all it held does, at once."""
        hit_s = killed_s.get(spot.of)
        if hit_s is None:
            return False
        known_s, revision = self._explained.get(spot.of, (0.0, 0))
        if known_s != hit_s:
            self._explained[spot.of] = (hit_s, event.kv.mod_revision)
            return True
        return revision == event.kv.mod_revision

    def _note_pace(self, events: list[Event]) -> None:
        puts = [event.kv for event in events if event.kind is EventKind.PUT]
        bucket = next((decode_bucket(kv.value) for kv in puts if kv.key == self._bucket), None)
        count = sum(kv.key.startswith(self._admitted) for kv in puts)
        if bucket is not None:
            self.paced.append((bucket.at_unix_ms, count))
        elif count:
            self.violations.append(f"revision {puts[0].mod_revision}: passed and not counted")


def check_pace(rule: Rule, paced: list[tuple[int, int]]) -> list[str]:
    """Return where more passed than a rule allows, by a bucket that is counted anew."""
    level, before = float(rule.burst_max), paced[0][0] if paced else 0
    broken = []
    for at, count in paced:
        level = min(rule.burst_max, level + max(0, at - before) * rule.rate / rule.period_ms)
        level -= count
        before = at
        if level < -1e-6:
            broken.append(f"{-level:.2f} too many passed at {at}")
            level = 0.0
    return broken
