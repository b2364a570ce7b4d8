"""Random operations on a small store: few keys and few leases, so that everything collides."""

from random import Random
from typing import Any

from coord.requests import (
    Claim,
    Compact,
    Compare,
    CompareResult,
    CompareTarget,
    DeleteRange,
    GiveBack,
    LeaseGrant,
    LeaseKeepAlive,
    LeaseList,
    LeaseRevoke,
    LeaseTimeToLive,
    Put,
    Range,
    SetAlarm,
    SortOrder,
    SortTarget,
    Txn,
)
from coord.testing.dumb_store import DumbStore

KEYS = [
    b"a", b"a\0", b"ab", b"b", b"c/1", b"c/2", b"q/1", b"q/2", b"q/3", b"q/4", b"r/1", b"r/2",
    b"\xff", b"\xff\xff",
]  # fmt: skip
PREFIXES = [b"q/", b"c/", b"r/", b"a"]
ENDS = [b"", b"", b"\0", b"a\0", b"b", b"c0", b"q0", b"q/3", b"s", b"\xff\xff"]


class Draws:
    """Draws operations that have a chance to mean something to the store as it is."""

    def __init__(self, random: Random, twin: DumbStore) -> None:
        self._random = random
        self._twin = twin

    def _one(self, choices: list[Any]) -> Any:
        return choices[self._random.randrange(len(choices))]

    def _often(self, outcome: Any, instead: Any, odds: int = 3) -> Any:
        return instead if self._random.randrange(odds) == 0 else outcome

    def key(self) -> bytes:
        """A known name, or one that lives."""
        return bytes(self._one(self._often(KEYS, sorted(self._twin.keys) or KEYS)))

    def lease(self) -> int:
        """A lease that lives, mostly."""
        return int(self._one([*sorted(self._twin.leases), 1, 2]))

    def revision(self) -> int:
        """Now, or any revision, kept or not."""
        newest = self._twin.revision
        return int(self._often(0, self._random.randrange(-1, newest + 2)))

    def write(self) -> Any:
        """Any write of the store but those about writers."""
        kinds = [
            self.put, self.put, self.put, self.delete, self.txn, self.txn, self.claim,
            self.give_back, self.grant, self.revoke, self.keep_alive, self.compact, self.alarm,
        ]  # fmt: skip
        return self._one(kinds)()

    def put(self) -> Put:
        """A put with any options."""
        if self._often(False, True, 12):
            return self.put_claimed()
        flags = [self._often(False, True, 6) for _ in range(4)]
        flags.append(self._often(False, True, 30))
        value = b"%d" % self._random.randrange(4)
        return Put(self.key(), value, self._often(0, self.lease()), *flags)

    def put_claimed(self) -> Put:
        """A put of what is claimed from the start."""
        source, target = self._one(PREFIXES[:3]), PREFIXES[3]
        return Put(target, b"c", self.lease(), sequence=True, claimed_from=source)

    def delete(self) -> DeleteRange:
        """A delete of a key or a range."""
        end = self._often(b"", self._one(ENDS))
        return DeleteRange(self.key(), end, self._often(False, True))

    def claim(self) -> Claim:
        """A claim between prefixes that do not overlap."""
        source = self._one(PREFIXES[:3])
        target = self._one([prefix for prefix in PREFIXES if prefix != source])
        return Claim(source, target, self.lease(), self._one([1, 1, 2, 5]))

    def give_back(self) -> GiveBack:
        """The end of a claim that stands, or of none."""
        claimed = [self._twin.keys[key] for key in sorted(self._twin.origins)]
        if claimed and self._random.randrange(4):
            kv = self._one(claimed)
            return GiveBack(kv.key, kv.create_revision)
        return GiveBack(self.key(), self._random.randrange(self._twin.revision + 1))

    def compare(self) -> Compare:
        """A compare whose value has the right type, nearly always."""
        target = self._one(list(CompareTarget))
        result = self._one(list(CompareResult))
        is_value = target is CompareTarget.VALUE
        if self._random.randrange(40) == 0:
            is_value = not is_value
        value: bytes | int = self._random.randrange(self._twin.revision + 1)
        if is_value:
            value = b"%d" % self._random.randrange(4)
        elif target is CompareTarget.VERSION:
            value = self._random.randrange(3)
        return Compare(self.key(), target, result, value, self._often(b"", self._one(ENDS)))

    def txn(self, depth: int = 0) -> Txn:
        """A transaction, nested now and then."""
        lists = [[self._txn_op(depth) for _ in range(self._random.randrange(4))] for _ in "ab"]
        compares = [self.compare() for _ in range(self._random.randrange(3))]
        return Txn(tuple(compares), tuple(lists[0]), tuple(lists[1]))

    def _txn_op(self, depth: int) -> Any:
        kinds = [self.put, self.put, self.delete, self.range, self.claim, self.give_back]
        if depth < 3 and self._random.randrange(4) == 0:
            return self.txn(depth + 1)
        return self._one(kinds)()

    def grant(self) -> LeaseGrant:
        """A lease with a short life."""
        ttl_ms = self._one([0, 100, 500, 2000, 10**15])
        return LeaseGrant(ttl_ms, self._often(0, self.lease()))

    def revoke(self) -> LeaseRevoke:
        """The end of a lease."""
        return LeaseRevoke(self.lease())

    def keep_alive(self) -> LeaseKeepAlive:
        """A renewal."""
        return LeaseKeepAlive(self.lease())

    def compact(self) -> Compact:
        """A compaction of something, seldom all."""
        newest, oldest = self._twin.revision, self._twin.compact_revision
        return Compact(self._random.randrange(oldest, max(oldest, newest - 3) + 1))

    def alarm(self) -> SetAlarm:
        """An alarm, cleared more often than raised."""
        return SetAlarm(self._one([1, 2]), self._often(False, True, 12))

    def range(self) -> Range:
        """A range read with any options."""
        bounds = [self._often(0, self._random.randrange(self._twin.revision + 1), 6)
                  for _ in range(4)]  # fmt: skip
        return Range(
            self.key(),
            self._often(self._one(ENDS), b"\0"),
            self._often(0, self._random.randrange(4)),
            self.revision(),
            self._often(SortOrder.NONE, self._one(list(SortOrder))),
            self._often(SortTarget.KEY, self._one(list(SortTarget))),
            self._often(False, True, 8),
            self._often(False, True, 8),
            *bounds,
        )

    def read(self) -> Any:
        """Any read of the store."""
        kind = self._random.randrange(8)
        if kind == 0:
            return LeaseTimeToLive(self.lease(), bool(self._random.randrange(2)))
        if kind == 1:
            return LeaseList()
        if kind == 2:
            ranges = tuple(self.range() for _ in range(2))
            return Txn((self.compare(),), ranges, (Txn((), ranges, ()),))
        return self.range()
