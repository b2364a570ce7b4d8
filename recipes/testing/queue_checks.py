"""A queue against the log: nothing lost, nothing doubled, in order, completed at most once.

Items are followed through the log by their id. A claim must take the first items there are, so an
item that was never given back cannot be overtaken. In the end nothing is left but what is done or
buried; only what arrived after the last consumer had gone may still wait.
"""

import attrs
import msgspec

from coord.model import Cause, Event, EventKind
from coord.testing.violation import Violation
from recipes.queue import Done
from recipes.testing.journal import Journal
from recipes.testing.queueing import ATTEMPTS_MAX
from recipes.testing.truth import Events


@attrs.define
class QueueLog:
    """Where every item is, as the log goes on, and what became of it."""

    prefix: bytes
    has_names: bool = False
    ready: dict[str, bytes] = attrs.field(factory=dict)
    held: dict[str, Event] = attrs.field(factory=dict)
    bodies: dict[str, bytes] = attrs.field(factory=dict)
    done: dict[str, tuple[Done, int]] = attrs.field(factory=dict)
    dead: dict[str, int] = attrs.field(factory=dict)
    claims: dict[tuple[str, int], Event] = attrs.field(factory=dict)
    """Every claim by item and token."""
    came_at: dict[str, int] = attrs.field(factory=dict)
    claimed_at: int = 0
    """The revision of the first claim."""
    redelivered: int = 0

    @classmethod
    def of(cls, events: Events, prefix: bytes, has_names: bool = False) -> "QueueLog":
        """Follow every item through the log.

        Raises:
            Violation: an item was doubled, overtaken, or vanished.
        """
        log = cls(prefix, has_names)
        for revision in sorted(events):
            mine = [event for event in events[revision] if event.kv.key.startswith(prefix)]
            if mine:
                log._step(revision, mine)
        return log

    def body_of(self, event: Event) -> bytes:
        """Return what was put; items with names are kept with them."""
        value = event.kv.value
        return value[2 + int.from_bytes(value[:2]) :] if self.has_names else value

    def _step(self, revision: int, mine: list[Event]) -> None:
        line = sorted(self.ready)
        left = {*self.ready, *self.held}
        claimed: list[str] = []
        for event in mine:
            place, _, rest = event.kv.key.removeprefix(self.prefix).partition(b"/")
            item = (rest.partition(b"/")[2] if place == b"held" else rest).decode()
            if place == b"ready":
                self._at_ready(item, event)
            elif place == b"held":
                self._at_held(item, event, claimed)
            elif place == b"done":
                self._at_done(item, event)
            elif place == b"dead":
                self._settled_once(item, event)
                self.dead[item] = revision
        for shard in sorted({_shard_of(item) for item in claimed}):
            taken = sorted(item for item in claimed if _shard_of(item) == shard)
            first = [item for item in line if _shard_of(item) == shard][: len(taken)]
            if taken != first:
                raise Violation(f"queue: at {revision} {taken} were taken, first were {first}")
        if claimed and not self.claimed_at:
            self.claimed_at = revision
        for item in sorted(left - {*self.ready, *self.held}):
            settled_at = self.done[item][1] if item in self.done else self.dead.get(item)
            if settled_at != revision:
                raise Violation(f"queue: {item} vanished at {revision}")

    def _at_ready(self, item: str, event: Event) -> None:
        if event.kind is EventKind.DELETE:
            del self.ready[item]
            return
        if item in self.bodies and self.bodies[item] != self.body_of(event):
            raise Violation(f"queue: {item} changed: {event}")
        if event.cause is Cause.WRITTEN and item in self.bodies:
            raise Violation(f"queue: {item} was put twice: {event}")
        self.came_at.setdefault(item, event.kv.mod_revision)
        self.bodies[item] = self.body_of(event)
        self.ready[item] = event.kv.value

    def _at_held(self, item: str, event: Event, claimed: list[str]) -> None:
        if event.kind is EventKind.DELETE:
            del self.held[item]
            return
        if item in self.held:
            raise Violation(f"queue: {item} is in two hands: {event}")
        self.held[item] = event
        self.claims[item, event.kv.create_revision] = event
        self.redelivered += event.kv.claims > 1
        claimed.append(item)

    def _at_done(self, item: str, event: Event) -> None:
        record = msgspec.json.decode(event.kv.value, type=Done)
        self._settled_once(item, event)
        if (item, record.token) not in self.claims:
            raise Violation(f"queue: {item} was completed by nobody: {event}")
        if any(token > record.token for name, token in self.claims if name == item):
            raise Violation(f"queue: {item} was completed by a former holder: {event}")
        self.done[item] = record, event.kv.mod_revision

    def _settled_once(self, item: str, event: Event) -> None:
        if item in self.done or item in self.dead:
            raise Violation(f"queue: {item} was settled twice: {event}")


def _shard_of(item: str) -> str:
    return item.rpartition("/")[0]


def check_queue(
    events: Events, journal: Journal, prefix: bytes, *, has_names: bool = False
) -> QueueLog:
    """Hold what producers and consumers of one queue were told against the log.

    Returns:
        What the log says.

    Raises:
        Violation: they were told something else, or something is left.
    """
    log = QueueLog.of(events, prefix, has_names)
    _check_orders(log, journal)
    _check_deliveries(log, journal)
    for item in sorted({*log.ready, *log.held}):
        if log.came_at[item] <= journal.over_at[prefix]:
            raise Violation(f"queue: {item} is left, it came at {log.came_at[item]}")
    return log


def _check_orders(log: QueueLog, journal: Journal) -> None:
    ids: dict[bytes, list[str]] = {}
    for item, body in log.bodies.items():
        ids.setdefault(body, []).append(item)
    for order in journal.orders:
        if order.queue != log.prefix:
            continue
        found = ids.pop(order.body, [])
        if order.id is not None and found != [order.id]:
            raise Violation(f"queue: {order} was acknowledged, the log has {found}")
        if len(found) > 1:
            raise Violation(f"queue: {order} is there more than once: {found}")
    if ids:
        raise Violation(f"queue: nobody put {ids}")


def _check_deliveries(log: QueueLog, journal: Journal) -> None:
    for delivery in journal.deliveries:
        if delivery.queue != log.prefix:
            continue
        claim = log.claims.get((delivery.id, delivery.token))
        if claim is None or claim.kv.key != delivery.key or log.body_of(claim) != delivery.body:
            raise Violation(f"queue: {delivery} is not in the log: {claim}")
        if claim.kv.lease != delivery.lease or claim.kv.claims != delivery.attempt:
            raise Violation(f"queue: {delivery}, and the log has {claim}")
        if not 1 <= delivery.attempt <= ATTEMPTS_MAX:
            raise Violation(f"queue: {delivery} was to be buried")
    for settlement in journal.settlements:
        delivery = settlement.delivery
        if delivery.queue != log.prefix:
            continue
        record, revision = log.done.get(delivery.id, (None, 0))
        is_ours = record is not None and record.token == delivery.token
        if is_ours != bool(settlement.revision) or (is_ours and revision != settlement.revision):
            raise Violation(f"queue: {settlement}, and the log has {record} at {revision}")
