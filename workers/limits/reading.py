"""Limits as they stand in the store, read as of one revision: rule, bucket, counts, first in line.

Jobs of many queues may be behind one limit, and stand there by queue. So the first of each queue
are read, and merged by urgency and arrival.
"""

from collections.abc import Mapping

from attrs import frozen

from coord.client import ops
from coord.errors import Misuse
from coord.model import KeyValue
from coord.requests import RangeReply, TxnOp
from recipes.port import only
from workers.limits.bucket import Bucket, decode_bucket, filled, full, tokens
from workers.limits.deciding import Line, order
from workers.limits.rule import Rule, decode_rule, queue_of
from workers.model.ids import JobId
from workers.model.places import Places
from workers.port import JobClient

LIMITS_MAX = 200  # in one read
QUEUES_MAX = 100  # whose first in line are merged


@frozen
class LimitView:
    """One limit.

    Attributes:
        name: its name.
        rule: None where it has none, so that it lets everything pass.
        rule_revision: which one it is; 0 where it has none.
        bucket: what is left of its rate, as of the time of reading; None where it has no rate.
        admitted: jobs counted against it.
        waiting_count: jobs behind it.
        waiting: the entries of the first of them, in order.
    """

    name: str
    rule: Rule | None
    rule_revision: int
    bucket: Bucket | None
    admitted: int
    waiting_count: int
    waiting: tuple[tuple[JobId, KeyValue], ...] = ()

    @property
    def room(self) -> int | None:
        """How many more jobs it lets pass now; None for any number."""
        rule = self.rule
        if rule is None:
            return None
        rooms = []
        if rule.concurrency:
            rooms.append(max(0, rule.concurrency - self.admitted))
        if self.bucket is not None:
            rooms.append(tokens(rule, self.bucket))
        return min(rooms)

    @property
    def line(self) -> Line:
        """What a decision takes from this."""
        return Line(self.room, [job for job, _ in self.waiting])


async def read_limits(
    client: JobClient, places: Places, windows: Mapping[str, int], now_unix_ms: int
) -> dict[str, LimitView]:
    """Return limits as they are.

    Args:
        client: to reach the store.
        places: of the space.
        windows: how many of those who wait are wanted of each queue, by the limit's name.
        now_unix_ms: the time buckets are filled to.
    """
    views: dict[str, LimitView] = {}
    names = list(windows)
    for first in range(0, len(names), LIMITS_MAX):
        some = names[first : first + LIMITS_MAX]
        reads: list[TxnOp] = []
        for name in some:
            reads += [
                ops.get(places.rule(name)),
                ops.get(places.bucket(name)),
                ops.get(places.admitted(name), prefix=True, count_only=True),
                ops.get(places.waiting(name), prefix=True, limit=windows[name]),
            ]
        reply = await client.txn(success=reads)
        answers = iter(reply.replies)
        for name in some:
            rule, bucket, admitted, waiting = (_read(next(answers)) for _ in range(4))
            kvs = list(waiting.kvs)
            if waiting.more and queue_of(name) is None:
                waiting_at = places.waiting(name)
                kvs += await _of_other_queues(client, waiting_at, kvs[-1].key, windows[name])
            views[name] = _view(places, name, (rule, bucket, admitted, waiting), kvs, now_unix_ms)
    return views


async def limit_names(client: JobClient, places: Places) -> list[str]:
    """Return the names of all limits that have a rule, or jobs, in order."""
    prefix = places.limits
    start, end = prefix, ops.prefix_end(prefix)
    names: dict[str, None] = {}
    while True:
        reply = await client.get(start, range_end=end, limit=LIMITS_MAX)
        names.update(dict.fromkeys(name_of(places, kv.key) for kv in reply.kvs))
        if not reply.more:
            return list(names)
        start = ops.prefix_end(places.limit(list(names)[-1]))


def name_of(places: Places, key: bytes) -> str:
    """Return the name of the limit a key belongs to."""
    return key[len(places.limits) :].partition(b"/")[0].decode(errors="replace")


async def _of_other_queues(
    client: JobClient, prefix: bytes, last: bytes, window: int
) -> list[KeyValue]:
    """Return the first entries of every queue after the one that `last` belongs to."""
    found: list[KeyValue] = []
    end = ops.prefix_end(prefix)
    for _ in range(QUEUES_MAX):
        queue = last[len(prefix) :].partition(b":")[0]
        reply = await client.get(ops.prefix_end(prefix + queue + b":"), range_end=end, limit=window)
        found += reply.kvs
        if not reply.more:
            break
        last = reply.kvs[-1].key
    return found


def _view(
    places: Places,
    name: str,
    answers: tuple[RangeReply, RangeReply, RangeReply, RangeReply],
    kvs: list[KeyValue],
    now_unix_ms: int,
) -> LimitView:
    rule_reply, bucket_reply, admitted, waiting = answers
    rule_kv, bucket_kv = only(rule_reply), only(bucket_reply)
    rule = decode_rule(rule_kv.value) if rule_kv else None
    bucket = None
    if rule is not None and rule.rate:
        kept = decode_bucket(bucket_kv.value) if bucket_kv else None
        bucket = filled(rule, kept, now_unix_ms) if kept else full(rule, now_unix_ms)
    entries = [entry for kv in kvs if (entry := _entry(places.waiting(name), kv))]
    entries.sort(key=lambda entry: order(entry[0]))
    return LimitView(
        name,
        rule,
        rule_kv.mod_revision if rule_kv else 0,
        bucket,
        admitted.count,
        waiting.count,
        tuple(entries),
    )


def _entry(prefix: bytes, kv: KeyValue) -> tuple[JobId, KeyValue] | None:
    """Return whom an entry stands for; None where it is none."""
    try:
        return JobId.parse(kv.key.removeprefix(prefix).decode()), kv
    except (Misuse, UnicodeDecodeError):
        return None


def _read(answer: object) -> RangeReply:
    assert isinstance(answer, RangeReply), answer
    return answer
