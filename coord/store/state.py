"""All of the store's replicated state in one place: what a snapshot holds, no more, no less."""

from coord.store.history import History
from coord.store.keyspace import Keyspace
from coord.store.leases import Leases
from coord.store.once import Writers


class State:
    """An empty store, until entries are applied or a snapshot fills it."""

    __slots__ = ("alarms", "applied_index", "space", "time_ms", "writers")

    def __init__(self, space: Keyspace | None = None, writers: Writers | None = None) -> None:
        self.space = space or Keyspace(History(), Leases())
        self.writers = writers or Writers()
        self.alarms: set[int] = set()
        """Members whose "no space" alarm stands."""
        self.time_ms = 0
        """Cluster time: the greatest stamp of any entry applied."""
        self.applied_index = 0
