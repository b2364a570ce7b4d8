"""Leases and claims, judged by the replayed log: nothing ends early, nothing lives on, one holder.

Cluster time is what leases are promised in; that it never outruns true time by more than clocks
may differ is checked as well, from what clients did and when.
"""

from collections.abc import Iterable, Mapping, Sequence

import attrs

from coord.model import Cause, Event, EventKind, KeyValue
from coord.requests import (
    LeaseGrantReply,
    LeaseKeepAliveReply,
    LeaseRevoke,
    LeaseRevokeReply,
)
from coord.testing.history import Call
from coord.testing.linearizability import FOREVER
from coord.testing.replay import Effect, Replay
from coord.testing.violation import Violation

_PACE_MAX = 1.06  # no clock in a simulated world runs faster against true time
_NOTICE_MS = 25.0  # until a client looks at its clock
_SLACK_MS = 2.0  # rounding of cluster time to whole milliseconds


@attrs.define
class SessionRecord:
    """A lease a client kept alive, and until when it believed to have it (true time)."""

    lease: int
    ttl_ms: int
    believed_until_ms: float | None = None
    """None: to the end of the run."""


class LeaseBook:
    """For every lease, when it began, was renewed, and was revoked, in the order of the log."""

    def __init__(self, effects: Iterable[Effect]) -> None:
        self.ttl_ms: dict[int, int] = {}
        self.signs: dict[int, list[Effect]] = {}
        self.revoked: dict[int, int] = {}
        for effect in effects:
            reply = effect.reply
            if isinstance(reply, LeaseGrantReply):
                self.ttl_ms[reply.lease] = reply.ttl_ms
                self.signs[reply.lease] = [effect]
            elif isinstance(reply, LeaseKeepAliveReply) and reply.ttl_ms > 0:
                self.signs.setdefault(reply.lease, []).append(effect)
            elif isinstance(reply, LeaseRevokeReply) and isinstance(effect.op, LeaseRevoke):
                self.revoked[effect.op.lease] = effect.revision_after

    def deadline_ms(self, lease: int, revision: int) -> int:
        """Cluster time at which `lease` was to end, as things stood just before `revision`."""
        signs = [sign for sign in self.signs[lease] if sign.revision_before < revision]
        return max(sign.time_ms for sign in signs) + self.ttl_ms[lease]


def check_lease_ends(replay: Replay, book: LeaseBook) -> int:
    """Every key that went for its lease went at the lease's end, not before, not without one.

    Returns:
        How many leases ended with keys on them.
    """
    ends = 0
    for revision, events in sorted(replay.events.items()):
        ended = [event for event in events if event.cause in {Cause.EXPIRED, Cause.REVOKED}]
        for event in ended:
            before = event.prev_kv
            if before is None or not before.lease:
                raise Violation(f"lease: {event} at {revision}, and it had no lease")
            if event.cause is Cause.REVOKED:
                if book.revoked.get(before.lease) != revision:
                    raise Violation(f"lease: {event} at {revision}, revoked by nobody")
            elif replay.times[revision] < book.deadline_ms(before.lease, revision):
                raise Violation(f"lease: {event} at {revision} comes before its end")
        ends += bool(ended)
    return ends


def check_true_time(calls: Iterable[Call], replay: Replay, commit_ms: Mapping[int, float]) -> None:
    """No key under a lease went sooner in true time than clocks may differ.

    Args:
        calls: acknowledged renewals and grants count from when they were asked.
        replay: what happened.
        commit_ms: for every revision, a true time by which it had been committed, or later.
    """
    renewed: dict[int, list[tuple[float, int]]] = {}
    for call in calls:
        reply = call.reply
        granted = isinstance(reply, LeaseGrantReply)
        kept = isinstance(reply, LeaseKeepAliveReply) and reply.ttl_ms > 0
        if granted or kept:
            assert isinstance(reply, LeaseGrantReply | LeaseKeepAliveReply)
            renewed.setdefault(reply.lease, []).append((call.called_ms, _at(call, replay)))
    ttls = {
        effect.reply.lease: effect.reply.ttl_ms
        for effects in replay.effects.values()
        for effect in effects
        if isinstance(effect.reply, LeaseGrantReply)
    }
    for revision, events in replay.events.items():
        for event in events:
            if event.cause is not Cause.EXPIRED or event.prev_kv is None:
                continue
            lease = event.prev_kv.lease
            for called_ms, before in renewed.get(lease, ()):
                gone_ms = commit_ms.get(revision)
                if before >= revision or gone_ms is None:
                    continue
                if gone_ms + _SLACK_MS < called_ms + ttls[lease] / _PACE_MAX:
                    raise Violation(
                        f"lease {lease}: renewed at {called_ms:.1f} ms, gone by {gone_ms:.1f} ms, "
                        f"time to live {ttls[lease]} ms"
                    )


def check_sessions(
    sessions: Iterable[SessionRecord], replay: Replay, seen_ms: Mapping[int, float]
) -> int:
    """No client believed in its lease much longer than the cluster did.

    Returns:
        How many of the sessions ended by expiry while keys hung on their lease.
    """
    ended: dict[int, float] = {}
    for revision, events in replay.events.items():
        for event in events:
            if event.cause is Cause.EXPIRED and event.prev_kv is not None:
                ended.setdefault(event.prev_kv.lease, seen_ms.get(revision, FOREVER))
    expired = 0
    for session in sessions:
        if session.lease not in ended:
            continue
        expired += 1
        until_ms = FOREVER if session.believed_until_ms is None else session.believed_until_ms
        allowed_ms = ended[session.lease] + session.ttl_ms * (1 - 1 / _PACE_MAX) + _NOTICE_MS
        if until_ms > allowed_ms:
            raise Violation(f"session: {session} ended at {ended[session.lease]:.1f} ms")
    return expired


def _at(call: Call, replay: Replay) -> int:
    effects = [effect for number in call.numbers for effect in replay.effects.get(number, ())]
    return effects[0].revision_before if effects else 0


def check_claims(
    events: Mapping[int, Sequence[Event]], queue: bytes, claims: bytes
) -> tuple[int, int]:
    """Follow every job through the log: it is in one place at a time, and never just vanishes.

    Args:
        events: what happened, by revision, with previous values.
        queue: prefix of waiting jobs.
        claims: prefix of claimed ones.

    Returns:
        How many claims there were, and how many of them went back.
    """
    places: dict[bytes, int] = {}
    claimed = returned = 0
    for revision in sorted(events):
        for event in events[revision]:
            key = event.kv.key
            if not key.startswith((queue, claims)):
                continue
            # A job is known by its value, which never changes and is never used twice.
            value = event.kv.value if event.kind is EventKind.PUT else _before(event).value
            places[value] = places.get(value, 0) + (1 if event.kind is EventKind.PUT else -1)
            claimed += event.cause is Cause.CLAIMED and event.kind is EventKind.PUT
            returned += event.cause is Cause.GIVEN_BACK and event.kind is EventKind.PUT
        for event in events[revision]:
            if not event.kv.key.startswith((queue, claims)):
                continue
            value = event.kv.value if event.kind is EventKind.PUT else _before(event).value
            finished = event.cause in {Cause.DELETED, Cause.WRITTEN}
            if places[value] not in ({0, 1} if finished else {1}):
                raise Violation(f"claims: {value!r} is in {places[value]} places at {revision}")
            if event.cause in {Cause.EXPIRED, Cause.REVOKED}:
                raise Violation(f"claims: {event} was dropped with its lease at {revision}")
    return claimed, returned


def _before(event: Event) -> KeyValue:
    assert event.prev_kv is not None
    return event.prev_kv
