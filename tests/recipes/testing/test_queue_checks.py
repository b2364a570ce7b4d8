"""The checks of queues, told lies: each must be noticed, and the truth must pass."""

import msgspec
import pytest

from coord.model import Cause, Event, EventKind, KeyValue
from coord.testing.violation import Violation
from recipes.queue import Done
from recipes.testing.journal import Delivery, Journal, Order, Settlement
from recipes.testing.queue_checks import check_queue
from recipes.testing.truth import Events

PREFIX = b"queue/"
A, B = "1", "2"


def _key(place: str) -> bytes:
    return PREFIX + place.encode()


def _put(at: int, place: str, body: str, cause: Cause = Cause.WRITTEN, claims: int = 0) -> Event:
    return Event(EventKind.PUT, cause, KeyValue(_key(place), body.encode(), at, at, 1, 7, claims))


def _deleted(at: int, place: str, cause: Cause = Cause.DELETED) -> Event:
    return Event(EventKind.DELETE, cause, KeyValue(_key(place), b"", 0, at, 0))


def _claim(at: int, item: str, body: str, claims: int = 1, who: str = "c") -> list[Event]:
    return [
        _deleted(at, f"ready/{item}", Cause.CLAIMED),
        _put(at, f"held/{who}/{item}", body, Cause.CLAIMED, claims),
    ]


def _back(at: int, item: str, body: str) -> list[Event]:
    return [
        _deleted(at, f"held/c/{item}", Cause.GIVEN_BACK),
        _put(at, f"ready/{item}", body, Cause.GIVEN_BACK, 1),
    ]


def _done(at: int, item: str, token: int) -> list[Event]:
    record = msgspec.json.encode(Done(token, "c", 1)).decode()
    return [_put(at, f"done/{item}", record), _deleted(at, f"held/c/{item}")]


def _log(*steps: list[Event]) -> Events:
    return {events[0].kv.mod_revision: events for events in steps}


def _arrivals() -> list[list[Event]]:
    return [[_put(2, f"ready/{A}", "a")], [_put(3, f"ready/{B}", "b")]]


def _whole() -> Events:
    """Two items come, are taken in order and completed."""
    return _log(
        *_arrivals(), _claim(4, A, "a"), _claim(5, B, "b"), _done(6, A, 4), _done(7, B, 5)
    )  # fmt: skip


def _journal(*orders: Order) -> Journal:
    journal = Journal()
    journal.orders += orders or (Order(PREFIX, b"a", A), Order(PREFIX, b"b", B))
    journal.over_at[PREFIX] = 100
    return journal


def _delivery(token: int = 4) -> Delivery:
    return Delivery(PREFIX, A, _key(f"held/c/{A}"), b"a", token, 1, 7)


def test_what_came_and_was_completed_in_order_is_as_it_should_be() -> None:
    journal = _journal()
    journal.deliveries.append(_delivery())
    journal.settlements.append(Settlement(_delivery(), 6))
    assert len(check_queue(_whole(), journal, PREFIX).done) == 2


def test_an_acknowledged_item_that_is_nowhere_is_noticed() -> None:
    journal = _journal(
        Order(PREFIX, b"a", A), Order(PREFIX, b"b", B), Order(PREFIX, b"c", "3")
    )  # fmt: skip
    with pytest.raises(Violation, match="was acknowledged, the log has"):
        check_queue(_whole(), journal, PREFIX)


def test_an_item_put_twice_is_noticed() -> None:
    log = _log([_put(2, f"ready/{A}", "a")], [_put(3, f"ready/{B}", "a")])
    with pytest.raises(Violation, match="more than once"):
        check_queue(log, _journal(Order(PREFIX, b"a")), PREFIX)


def test_an_item_overtaken_is_noticed() -> None:
    with pytest.raises(Violation, match="were taken, first were"):
        check_queue(_log(*_arrivals(), _claim(4, B, "b")), _journal(), PREFIX)


def test_an_item_that_came_back_may_be_taken_again_and_counts() -> None:
    log = _log(
        *_arrivals(), _claim(4, A, "a"), _back(5, A, "a"), _claim(6, A, "a", 2),
        _claim(7, B, "b"), _done(8, A, 6), _done(9, B, 7),
    )  # fmt: skip
    assert check_queue(log, _journal(), PREFIX).redelivered == 1


def test_an_item_that_vanishes_is_noticed() -> None:
    log = _log(*_arrivals(), _claim(4, A, "a"), [_deleted(5, f"held/c/{A}", Cause.EXPIRED)])
    with pytest.raises(Violation, match="vanished at 5"):
        check_queue(log, _journal(), PREFIX)


def test_an_item_left_behind_is_noticed_unless_it_came_after_all_had_gone() -> None:
    log = _log(_arrivals()[0])
    journal = _journal(Order(PREFIX, b"a", A))
    with pytest.raises(Violation, match="is left"):
        check_queue(log, journal, PREFIX)
    journal.over_at[PREFIX] = 1
    check_queue(log, journal, PREFIX)


def test_a_completion_by_a_former_holder_is_noticed() -> None:
    log = _log(
        _arrivals()[0], _claim(3, A, "a"), _back(4, A, "a"), _claim(5, A, "a", 2), _done(6, A, 3)
    )  # fmt: skip
    with pytest.raises(Violation, match="former holder"):
        check_queue(log, _journal(Order(PREFIX, b"a", A)), PREFIX)


def test_an_item_completed_twice_is_noticed() -> None:
    again = [_put(6, f"done/{A}", msgspec.json.encode(Done(3, "c", 1)).decode())]
    log = _log(_arrivals()[0], _claim(3, A, "a"), _done(4, A, 3), again)
    with pytest.raises(Violation, match="settled twice"):
        check_queue(log, _journal(Order(PREFIX, b"a", A)), PREFIX)


def test_a_delivery_the_log_does_not_know_is_noticed() -> None:
    journal = _journal()
    journal.deliveries.append(_delivery(token=9))
    with pytest.raises(Violation, match="is not in the log"):
        check_queue(_whole(), journal, PREFIX)


@pytest.mark.parametrize("revision", [0, 7])
def test_a_completion_told_otherwise_than_it_was_is_noticed(revision: int) -> None:
    journal = _journal()
    journal.settlements.append(Settlement(_delivery(), revision))
    with pytest.raises(Violation, match="Settlement"):
        check_queue(_whole(), journal, PREFIX)
