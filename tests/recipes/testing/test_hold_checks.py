"""The checks of holders, told lies: each must be noticed, and the truth must pass."""

from collections.abc import Sequence

import pytest

from coord.model import Cause, Event, EventKind, KeyValue
from coord.testing.lease_checks import SessionRecord
from coord.testing.violation import Violation
from recipes.testing.hold_checks import LINES, Told, check_holders
from recipes.testing.journal import Guarded, Journal, Tenure

LOCK, _, SEMAPHORE, _ = LINES
TTL_MS = 1_000


def _made(revision: int, key: str, lease: int = 1, value: str = "") -> list[Event]:
    kv = KeyValue(key.encode(), value.encode(), revision, revision, 1, lease)
    return [Event(EventKind.PUT, Cause.WRITTEN, kv)]


def _gone(revision: int, key: str, cause: Cause = Cause.DELETED) -> list[Event]:
    return [Event(EventKind.DELETE, cause, KeyValue(key.encode(), b"", 0, revision, 0))]


def _told(*steps: list[Event], sessions: Sequence[SessionRecord] = ()) -> Told:
    """Each step is a revision, 2 and up, and is seen 100 ms after the one before."""
    events = {events[0].kv.mod_revision: events for events in steps}
    seen_ms = {revision: 100.0 * revision for revision in events}
    known = {session.lease: session for session in sessions}
    for lease in (1, 2, 3):
        known.setdefault(lease, SessionRecord(lease, TTL_MS, 1e9))
    return Told(events, seen_ms, known, Journal())


def _tenure(key: str, token: int, got_ms: float, until_ms: float, what: str = "lock") -> Tenure:
    return Tenure(what, key.encode(), token, got_ms, until_ms)


def _two_in_line() -> Told:
    return _told(_made(2, "lock/a", 1), _made(3, "lock/b", 2), _gone(4, "lock/a"))


def test_one_after_the_other_is_as_it_should_be() -> None:
    told = _two_in_line()
    told.journal.tenures += [
        _tenure("lock/a", 2, 210.0, 390.0),
        _tenure("lock/b", 3, 410.0, 900.0),
    ]
    counts = check_holders(told, LOCK)
    assert counts["lock: held"] == 2


def test_held_before_its_turn_came_is_noticed() -> None:
    told = _two_in_line()
    told.journal.tenures.append(_tenure("lock/b", 3, 350.0, 900.0))
    with pytest.raises(Violation, match=r"its turn came at 400\.0 ms"):
        check_holders(told, LOCK)


def test_held_though_its_turn_never_came_is_noticed() -> None:
    told = _told(_made(2, "lock/a"), _made(3, "lock/b", 2), _gone(4, "lock/b"))
    told.journal.tenures.append(_tenure("lock/b", 3, 500.0, 900.0))
    with pytest.raises(Violation, match="its turn never came"):
        check_holders(told, LOCK)


def test_held_without_a_place_is_noticed() -> None:
    told = _two_in_line()
    told.journal.tenures.append(_tenure("lock/c", 5, 500.0, 900.0))
    with pytest.raises(Violation, match="no place in the log"):
        check_holders(told, LOCK)


def test_believed_after_it_was_released_is_noticed() -> None:
    told = _two_in_line()
    told.journal.tenures.append(_tenure("lock/a", 2, 210.0, 401.0))
    with pytest.raises(Violation, match=r"it ended at 400\.0 ms"):
        check_holders(told, LOCK)


@pytest.mark.parametrize(("until_ms", "is_too_long"), [(480.0, False), (490.0, True)])
def test_after_expiry_belief_may_last_as_long_as_clocks_differ(
    until_ms: float, is_too_long: bool
) -> None:
    session = SessionRecord(1, TTL_MS, until_ms)
    told = _told(_made(2, "lock/a"), _gone(4, "lock/a", Cause.EXPIRED), sessions=[session])
    told.journal.tenures.append(_tenure("lock/a", 2, 210.0, 9_000.0))
    if is_too_long:
        with pytest.raises(Violation, match="it ended at 485"):
            check_holders(told, LOCK)
    else:
        check_holders(told, LOCK)


def test_a_write_of_who_was_not_first_is_noticed() -> None:
    told = _told(
        _made(2, "lock/a"), _made(3, "lock/b", 2), _made(4, "effect/lock", 0, "3")
    )  # fmt: skip
    with pytest.raises(Violation, match="a write was accepted"):
        check_holders(told, LOCK)


def test_a_write_of_who_is_gone_is_noticed() -> None:
    told = _told(_made(2, "lock/a"), _gone(3, "lock/a"), _made(4, "effect/lock", 0, "2"))
    with pytest.raises(Violation, match="a write was accepted"):
        check_holders(told, LOCK)


def test_a_write_refused_to_the_holder_is_noticed() -> None:
    told = _two_in_line()
    tenure = _tenure("lock/a", 2, 210.0, 390.0)
    told.journal.tenures.append(tenure)
    told.journal.guarded.append(Guarded(tenure, 3, accepted=False))
    with pytest.raises(Violation, match="Guarded"):
        check_holders(told, LOCK)


def test_a_second_permit_is_held_beside_the_first_and_a_third_is_not() -> None:
    told = _told(
        _made(2, "sem/permits/a"), _made(3, "sem/permits/b", 2), _made(4, "sem/permits/c", 3)
    )  # fmt: skip
    told.journal.tenures.append(_tenure("sem/permits/b", 3, 310.0, 900.0, "sem"))
    check_holders(told, SEMAPHORE)
    told.journal.tenures.append(_tenure("sem/permits/c", 4, 410.0, 900.0, "sem"))
    with pytest.raises(Violation, match="its turn never came"):
        check_holders(told, SEMAPHORE)
