"""Nodes that have applied the same entries must hold the same store, to the byte."""

from coord.store.machine import Store
from coord.testing.violation import Violation

_SAMPLE = 13  # a digest costs as much as a hundred turns: taken at each thirteenth index


class StoreChecks:
    """What stores looked like at each index, over all nodes and all history."""

    def __init__(self) -> None:
        self.digests: dict[int, bytes] = {}
        self._shapes: dict[int, tuple[int, int, int, int, int]] = {}
        self._seen: dict[int, tuple[Store, int]] = {}
        self.revision = 1
        """The newest revision seen anywhere."""
        self.seen_ms: dict[int, float] = {}
        """When each revision was first seen."""

    def observe(self, number: int, store: Store, now_ms: float) -> None:
        """Look at a node's store after a turn."""
        index = int(store.applied_index)
        seen_store, seen_index = self._seen.get(number, (None, -1))
        if seen_store is store and seen_index == index:
            return
        self._seen[number] = (store, index)
        self.glimpse(store, now_ms)
        shape = (
            int(store.revision),
            int(store.compact_revision),
            store.time_ms,
            store.key_count,
            store.lease_count,
        )
        known = self._shapes.setdefault(index, shape)
        if known != shape:
            raise Violation(f"node {number}: store at {index} is {shape}, elsewhere {known}")
        if index % _SAMPLE == 0:
            self.compare(number, store)

    def glimpse(self, store: Store, now_ms: float) -> None:
        """Note the revisions a store shows, maybe in the middle of an entry."""
        while self.revision < store.revision:
            self.revision += 1
            self.seen_ms[self.revision] = now_ms

    def compare(self, number: int, store: Store) -> None:
        """Compare the digest of a store with every other at the same index."""
        index = int(store.applied_index)
        digest = store.digest()
        if self.digests.setdefault(index, digest) != digest:
            raise Violation(f"node {number}: store at {index} differs from another node's")
