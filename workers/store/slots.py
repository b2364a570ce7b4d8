"""Free slots this client has heard of, so that a job it enqueues can be handed to an idle worker.

Nobody follows them: whoever enqueues reads which there are in the same transaction, when it knows
of none or was wrong, and the next job is handed to one of them. What is known may be out of date;
a hand-over that comes too late enqueues the job as any other.
"""

from collections import deque
from collections.abc import Iterable
from functools import lru_cache

from coord.client import ops
from coord.model import KeyValue
from coord.requests import Range
from workers.model.places import Places, QueuePlaces
from workers.steps.hand import Slot, slot_of

KNOWN_MAX = 16  # of one queue
QUEUES_MAX = 1000


class FreeSlots:
    """What one client knows, by queue."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._known: dict[str, deque[Slot]] = {}

    def take(self, queue: str) -> Slot | None:
        """Return a slot to hand a job to, the one used longest ago; nobody else gets it."""
        known = self._known.get(queue)
        return known.popleft() if known else None

    def used(self, queue: str, slot: Slot) -> None:
        """Note that a job was handed to a slot: it will be free again."""
        self._known.setdefault(queue, deque()).append(slot)

    def look(self, queue: str) -> Range:
        """Return the read that `learn` takes the answer of."""
        return _look(self._places.queue(queue))

    def learn(self, queue: str, kvs: Iterable[KeyValue]) -> None:
        """Replace what is known of a queue."""
        if len(self._known) >= QUEUES_MAX:
            self._known.clear()
        at = self._places.queue(queue)
        self._known[queue] = deque(slot_of(at, kv) for kv in kvs)


@lru_cache(maxsize=1024)
def _look(at: QueuePlaces) -> Range:
    return ops.get(at.free, prefix=True, limit=KNOWN_MAX, keys_only=True)
