"""Leases that end early, claims with two holders: each is named."""

import pytest

from coord.frames import Batch, WriteFrame
from coord.model import Cause, Event, EventKind, KeyValue
from coord.requests import (
    Claim,
    DeleteRange,
    LeaseGrant,
    LeaseKeepAlive,
    OpenWriter,
    Put,
    WriteOp,
)
from coord.testing.history import History
from coord.testing.lease_checks import (
    LeaseBook,
    SessionRecord,
    check_claims,
    check_lease_ends,
    check_sessions,
    check_true_time,
)
from coord.testing.replay import Replay
from coord.testing.violation import Violation

_WRITER, _LEASE = 77, 5


class _Log:
    """Entries written one by one, each a single operation at a moment of cluster time."""

    def __init__(self) -> None:
        self.replay = Replay()
        self.replay.apply(1, Batch(0, (WriteFrame(_WRITER, 0, 0, (OpenWriter(),)),)))
        self._number = 0

    def write(self, time_ms: int, op: WriteOp) -> tuple[int, int]:
        self._number += 1
        frame = WriteFrame(_WRITER, 0, self._number, (op,))
        self.replay.apply(self._number + 1, Batch(time_ms, (frame,)))
        return _WRITER, self._number

    def pass_time(self, time_ms: int) -> None:
        self._number += 1
        self.replay.apply(self._number + 1, Batch(time_ms, ()))

    def book(self) -> LeaseBook:
        return LeaseBook(e for effects in self.replay.effects.values() for e in effects)


def _expired() -> _Log:
    log = _Log()
    log.write(0, LeaseGrant(500, _LEASE))
    log.write(10, Put(b"l/k", b"v", lease=_LEASE))
    log.write(300, LeaseKeepAlive(_LEASE))
    log.pass_time(800)
    return log


def test_a_lease_that_ends_at_its_time_passes() -> None:
    log = _expired()
    assert check_lease_ends(log.replay, log.book()) == 1


def test_a_key_gone_before_the_end_of_its_lease_is_named() -> None:
    log = _expired()
    log.replay.times[3] = 799
    with pytest.raises(Violation, match="before its end"):
        check_lease_ends(log.replay, log.book())


def test_a_key_without_a_lease_cannot_expire() -> None:
    log = _expired()
    (event,) = log.replay.events[3]
    bare = KeyValue(b"l/k", b"v", 2, 2, 1)
    log.replay.events[3] = [Event(event.kind, event.cause, event.kv, bare)]
    with pytest.raises(Violation, match="had no lease"):
        check_lease_ends(log.replay, log.book())


@pytest.mark.parametrize(("gone_ms", "broken"), [(1_500.0, False), (1_200.0, True)])
def test_true_time_is_held_against_what_clients_were_promised(gone_ms: float, broken: bool) -> None:
    log = _expired()
    history = History()
    call = history.call("c", LeaseKeepAlive(_LEASE), 1_000.0, is_write=True)
    call.numbers.append((_WRITER, 3))
    history.returned(call, 1_010.0, log.replay.effects[_WRITER, 3][0].reply)
    if broken:
        with pytest.raises(Violation, match="renewed at"):
            check_true_time(history.calls, log.replay, {3: gone_ms})
    else:
        check_true_time(history.calls, log.replay, {3: gone_ms})


def _claimed() -> _Log:
    log = _Log()
    log.write(0, LeaseGrant(500, _LEASE))
    log.write(1, Put(b"q/1", b"one"))
    log.write(2, Put(b"q/2", b"two"))
    log.write(3, Claim(b"q/", b"c/x/", _LEASE, 2))
    return log


def test_claims_completed_and_given_back_pass() -> None:
    log = _claimed()
    log.write(4, DeleteRange(b"c/x/1"))
    log.pass_time(500)
    assert check_claims(log.replay.events, b"q/", b"c/") == (2, 1)


def test_a_job_in_two_places_is_named() -> None:
    log = _claimed()
    events = log.replay.events[4]
    log.replay.events[4] = [e for e in events if e.kind is EventKind.PUT]
    with pytest.raises(Violation, match="in 2 places"):
        check_claims(log.replay.events, b"q/", b"c/")


def test_a_job_lost_on_the_way_is_named() -> None:
    log = _claimed()
    events = log.replay.events[4]
    log.replay.events[4] = [e for e in events if e.kind is EventKind.DELETE]
    with pytest.raises(Violation, match="in 0 places"):
        check_claims(log.replay.events, b"q/", b"c/")


def test_a_claimed_job_that_expires_instead_of_going_back_is_named() -> None:
    log = _claimed()
    (first, *_) = [e for e in log.replay.events[4] if e.kind is EventKind.PUT]
    gone = KeyValue(first.kv.key, b"", 0, 5, 0)
    log.replay.events[5] = [Event(EventKind.DELETE, Cause.EXPIRED, gone, first.kv)]
    with pytest.raises(Violation, match="claims"):
        check_claims(log.replay.events, b"q/", b"c/")


@pytest.mark.parametrize(
    ("until_ms", "broken"), [(990.0, False), (1_050.0, False), (1_200.0, True), (None, True)]
)
def test_a_client_that_believes_in_its_lease_too_long_is_named(
    until_ms: float | None, broken: bool
) -> None:
    log = _expired()
    session = SessionRecord(_LEASE, 500, until_ms)
    if broken:
        with pytest.raises(Violation, match="session"):
            check_sessions([session], log.replay, {3: 1_000.0})
    else:
        assert check_sessions([session], log.replay, {3: 1_000.0}) == 1


def test_a_session_whose_lease_never_expired_says_nothing() -> None:
    log = _expired()
    assert check_sessions([SessionRecord(99, 500)], log.replay, {3: 1_000.0}) == 0
