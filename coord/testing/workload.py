"""What a simulated client asks next: a bit of everything, on few keys, with unique values.

Three neighbourhoods that do not touch each other, so that each can be judged by its own rule:
`r/` plain registers, `l/` keys under leases, `q/` and `c/` jobs that are claimed, completed and
given back. No ranges are deleted across them.
"""

from collections.abc import Callable
from random import Random

import attrs

from coord.requests import (
    Claim,
    ClaimReply,
    Compact,
    Compare,
    CompareResult,
    CompareTarget,
    DeleteRange,
    GiveBack,
    LeaseGrant,
    LeaseGrantReply,
    LeaseKeepAlive,
    LeaseKeepAliveReply,
    LeaseRevoke,
    LeaseTimeToLive,
    Put,
    PutReply,
    Range,
    RangeReply,
    ReadOp,
    Reply,
    SortOrder,
    SortTarget,
    TransferLeader,
    Txn,
    WriteOp,
)

REGISTERS = b"r/"
LEASED = b"l/"
QUEUE = b"q/"
CLAIMS = b"c/"
_LEASES_HELD_MAX = 3
_CLAIMS_HELD_MAX = 6


@attrs.frozen
class WriteWish:
    """A write to ask for."""

    op: WriteOp


@attrs.frozen
class ReadWish:
    """A read to ask for, and how fresh it must be."""

    op: ReadOp
    serializable: bool = False


Wish = WriteWish | ReadWish


class Workload:
    """The requests of one client, drawn as it goes, from what it knows by then."""

    def __init__(self, name: str, keys: int, luck: Random) -> None:
        self.name = name
        self._keys = keys
        self._luck = luck
        self._made = 0
        self._leases: list[int] = []
        self._claims: dict[bytes, int] = {}
        self._seen: dict[bytes, bytes | None] = {}
        self.revision = 1
        """The newest revision it has heard of."""
        self._must_look = False
        kinds: tuple[tuple[float, Callable[[], Wish]], ...] = (
            (18, self._put),
            (18, self._get),
            (4, self._delete),
            (8, self._swap),
            (4, self._two_puts),
            (3, self._list),
            (2, self._get_past),
            (3, self._grant),
            (5, self._put_leased),
            (6, self._keep_alive),
            (1, self._revoke),
            (1, self._time_to_live),
            (5, self._enqueue),
            (6, self._claim),
            (5, self._complete),
            (2, self._give_back),
            (0.7, self._compact),
            (0.5, self._transfer),
        )
        self._weights = [weight for weight, _ in kinds]
        self._kinds = [draw for _, draw in kinds]

    def next(self) -> Wish:
        """Draw the next request."""
        if self._must_look:
            self._must_look = False
            return self._get()
        return self._luck.choices(self._kinds, self._weights)[0]()

    def told(self, wish: Wish, reply: Reply) -> None:
        """Learn from an answer."""
        op = wish.op
        self.revision = max(self.revision, getattr(reply, "revision", 0))
        if isinstance(reply, LeaseGrantReply):
            self._leases.append(reply.lease)
            del self._leases[:-_LEASES_HELD_MAX]
        elif isinstance(reply, LeaseKeepAliveReply) and reply.ttl_ms == 0:
            self._drop_lease(reply.lease)
        elif isinstance(reply, ClaimReply):
            self._claims.update((kv.key, kv.create_revision) for kv in reply.kvs)
            while len(self._claims) > _CLAIMS_HELD_MAX:
                del self._claims[next(iter(self._claims))]
        elif isinstance(op, Range) and isinstance(reply, RangeReply) and not op.range_end:
            self._seen[op.key] = reply.kvs[0].value if reply.kvs else None
        elif isinstance(op, Put) and isinstance(reply, PutReply):
            self._seen[op.key] = op.value

    def refused(self) -> None:
        """The last request failed or its outcome is open: look at something next."""
        self._must_look = True

    # --- registers --------------------------------------------------------------------------

    def _value(self) -> bytes:
        self._made += 1
        value = b"%s-%d" % (self.name.encode(), self._made)
        return value + b"." * self._luck.choice((0, 0, 0, 20, 300, 1_200))

    def _register(self) -> bytes:
        return REGISTERS + b"%d" % self._luck.randrange(self._keys)

    def _put(self) -> Wish:
        return WriteWish(Put(self._register(), self._value(), prev_kv=self._luck.random() < 0.2))

    def _get(self) -> Wish:
        stale = self._luck.random() < 0.2
        return ReadWish(Range(self._register()), serializable=stale)

    def _delete(self) -> Wish:
        return WriteWish(DeleteRange(self._register()))

    def _swap(self) -> Wish:
        key = self._register()
        expected = self._seen.get(key)
        if expected is None:
            guard = Compare(key, CompareTarget.CREATE, CompareResult.EQUAL, 0)
        else:
            guard = Compare(key, CompareTarget.VALUE, CompareResult.EQUAL, expected)
        return WriteWish(Txn((guard,), (Put(key, self._value()),)))

    def _two_puts(self) -> Wish:
        first, second = b"m/a", b"m/b"
        value = self._value()
        ops = (Put(first, value), Put(second, value), Range(first))
        return WriteWish(Txn((), ops))

    def _list(self) -> Wish:
        luck = self._luck
        prefix = luck.choice((REGISTERS, LEASED, QUEUE, CLAIMS, b"m/"))
        op = Range(
            prefix,
            prefix[:-1] + b"0",
            limit=luck.choice((0, 0, 2)),
            sort_order=luck.choice(tuple(SortOrder)),
            sort_target=luck.choice((SortTarget.KEY, SortTarget.KEY, SortTarget.MOD)),
            keys_only=luck.random() < 0.1,
            count_only=luck.random() < 0.1,
        )
        return ReadWish(op, serializable=luck.random() < 0.2)

    def _get_past(self) -> Wish:
        revision = max(1, self.revision - self._luck.randrange(40))
        return ReadWish(Range(self._register(), revision=revision))

    def _compact(self) -> Wish:
        back = self._luck.choice((-2, 0, 1, 20, 60))
        return WriteWish(Compact(max(1, self.revision - back)))

    def _transfer(self) -> Wish:
        return ReadWish(TransferLeader(0), serializable=True)

    # --- leases -----------------------------------------------------------------------------

    def _lease(self) -> int | None:
        return self._luck.choice(self._leases) if self._leases else None

    def _drop_lease(self, lease: int) -> None:
        if lease in self._leases:
            self._leases.remove(lease)

    def _grant(self) -> Wish:
        return WriteWish(LeaseGrant(self._luck.choice((200, 600, 2_000))))

    def _put_leased(self) -> Wish:
        lease = self._lease()
        if lease is None:
            return self._grant()
        key = LEASED + b"%s/%d" % (self.name.encode(), self._luck.randrange(4))
        return WriteWish(Put(key, self._value(), lease=lease))

    def _keep_alive(self) -> Wish:
        lease = self._lease()
        return self._grant() if lease is None else WriteWish(LeaseKeepAlive(lease))

    def _revoke(self) -> Wish:
        lease = self._lease()
        if lease is None:
            return self._grant()
        self._drop_lease(lease)
        return WriteWish(LeaseRevoke(lease))

    def _time_to_live(self) -> Wish:
        lease = self._lease()
        if lease is None:
            return self._grant()
        return ReadWish(LeaseTimeToLive(lease, keys=True))

    # --- jobs -------------------------------------------------------------------------------

    def _enqueue(self) -> Wish:
        return WriteWish(Put(QUEUE, self._value(), sequence=True))

    def _claim(self) -> Wish:
        lease = self._lease()
        if lease is None:
            return self._grant()
        target = CLAIMS + self.name.encode() + b"/"
        return WriteWish(Claim(QUEUE, target, lease, self._luck.choice((1, 1, 3))))

    def _complete(self) -> Wish:
        if not self._claims:
            return self._claim()
        key, token = self._take_claim()
        guard = Compare(key, CompareTarget.CREATE, CompareResult.EQUAL, token)
        return WriteWish(Txn((guard,), (DeleteRange(key),)))

    def _give_back(self) -> Wish:
        if not self._claims:
            return self._claim()
        key, token = self._take_claim()
        return WriteWish(GiveBack(key, token))

    def _take_claim(self) -> tuple[bytes, int]:
        key = self._luck.choice(list(self._claims))
        return key, self._claims.pop(key)
