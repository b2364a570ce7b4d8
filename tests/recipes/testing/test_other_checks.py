"""The checks of gates, builds, divisions, groups, boards and special queues, told lies."""

import msgspec
import pytest

from coord.model import Cause, Event, EventKind, KeyValue
from coord.testing.lease_checks import SessionRecord
from coord.testing.violation import Violation
from recipes.gate import Opening
from recipes.testing import building, combining, dividing, gating, grouping, kinds, telling
from recipes.testing.hold_checks import Told
from recipes.testing.journal import Journal, Listing, Passage, Reading, Receipt
from recipes.testing.luck import EPOCH_MS
from recipes.testing.queue_checks import QueueLog


class _Log:
    """Revisions 2, 3, ... one step each, seen 100 ms apart."""

    def __init__(self) -> None:
        self._events: dict[int, list[Event]] = {}
        self._seen_ms: dict[int, float] = {}
        self._made: dict[str, int] = {}
        self.told = Told(self._events, self._seen_ms, {1: SessionRecord(1, 1_000, 1e9)}, Journal())

    @property
    def revision(self) -> int:
        return len(self._events) + 1

    def put(self, key: str, value: bytes = b"", lease: int = 0) -> int:
        at = self.revision + 1
        made = self._made.setdefault(key, at)
        kv = KeyValue(key.encode(), value, made, at, 1 if made == at else 2, lease)
        self._events[at] = [Event(EventKind.PUT, Cause.WRITTEN, kv)]
        self._seen_ms[at] = 100.0 * at
        return at

    def delete(self, key: str) -> int:
        at = self.revision + 1
        del self._made[key]
        kv = KeyValue(key.encode(), b"", 0, at, 0)
        self._events[at] = [Event(EventKind.DELETE, Cause.DELETED, kv)]
        self._seen_ms[at] = 100.0 * at
        return at


def _opened(log: _Log, name: str, revision: int, value: int) -> bytes:
    said = msgspec.json.encode(Opening(revision, value))
    log.put(f"{name}/open", said)
    return said


def _three_items() -> _Log:
    log = _Log()
    for number in range(3):
        log.put(f"items/{number}")
    return log


def test_a_gate_that_opened_when_there_were_enough_is_as_it_should_be() -> None:
    log = _three_items()
    said = _opened(log, "gate", 4, 3)
    log.told.journal.passages.append(Passage(b"gate", 4, said, 510.0))
    counts = gating.check_opening(log.told, b"gate", b"items/", 3)
    assert counts["size gates opened at the very revision"] == 1


@pytest.mark.parametrize(("revision", "value", "why"), [(3, 3, "held at 4"), (4, 5, "there were")])
def test_a_gate_that_tells_a_lie_is_noticed(revision: int, value: int, why: str) -> None:
    log = _three_items()
    _opened(log, "gate", revision, value)
    with pytest.raises(Violation, match=why):
        gating.check_opening(log.told, b"gate", b"items/", 3)


def test_passing_before_the_latch_or_without_one_is_noticed() -> None:
    log = _three_items()
    passages = log.told.journal.passages
    passages.append(Passage(b"gate", 4, b"", 450.0))
    with pytest.raises(Violation, match="never opened"):
        gating.check_opening(log.told, b"gate", b"items/", 3)
    passages[0] = Passage(b"gate", 4, _opened(log, "gate", 4, 3), 450.0)
    with pytest.raises(Violation, match="and Life"):
        gating.check_opening(log.told, b"gate", b"items/", 3)


def test_a_signal_nobody_gave_is_noticed() -> None:
    log = _Log()
    at = log.put("gate/signal", b"go")
    log.told.journal.passages.append(Passage(gating.SIGNAL, at, b"go", 300.0))
    assert gating.check_signal(log.told)["signals heard"] == 1
    log.told.journal.passages.append(Passage(gating.SIGNAL, at + 1, b"go", 300.0))
    with pytest.raises(Violation, match="signal"):
        gating.check_signal(log.told)


def test_an_item_taken_ahead_of_its_batch_is_noticed() -> None:
    log = _Log()
    first = log.put("batch/ready/1")
    log.put("batch/gate/open")
    second = log.put("batch/ready/2")
    items = QueueLog(b"batch/", came_at={"1": first, "2": second})
    items.claims["1", 5] = log.told.events[first][0]
    assert gating.check_batches(log.told, b"batch/gate/open", items) == 1
    items.claims["2", 6] = log.told.events[second][0]
    with pytest.raises(Violation, match="batch: 2"):
        gating.check_batches(log.told, b"batch/gate/open", items)


def test_a_gate_of_two_conditions_that_opened_after_one_is_noticed() -> None:
    log = _Log()
    for number in range(combining.TARGET):
        log.put(f"parts of both/items/{number}")
    _opened(log, "both/gate", log.revision, combining.TARGET)
    log.put("parts of both/signal")
    with pytest.raises(Violation, match="both: Met"):
        combining.check_gate(log.told)


def test_a_result_published_twice_or_received_wrongly_is_noticed() -> None:
    log = _Log()
    at = log.put("build/1/result", b"r")
    log.told.journal.receipts.append(Receipt(b"build/1/result", b"r", at, 300.0))
    assert building.check_builds(log.told)["builds published"] == 1
    log.told.journal.receipts.append(Receipt(b"build/1/result", b"other", at, 300.0))
    with pytest.raises(Violation, match="and published was"):
        building.check_builds(log.told)
    log.put("build/1/result", b"again")
    with pytest.raises(Violation, match="more than once"):
        building.check_builds(log.told)


@pytest.mark.parametrize(
    "shares", [{"m": ("a",)}, {"m": ("a", "b"), "n": ("b",)}, {"m": ("a", "b"), "n": ()}]
)
def test_a_division_that_leaves_out_doubles_or_favours_is_noticed(
    shares: dict[str, tuple[str, ...]],
) -> None:
    log = _Log()
    log.put("parts/items/a")
    log.put("parts/items/b")
    log.told.journal.shares.update({"m": ("a",), "n": ("b",)})
    dividing.check_division(log.told)
    log.told.journal.shares.clear()
    log.told.journal.shares.update(shares)
    with pytest.raises(Violation, match="division"):
        dividing.check_division(log.told)


def test_a_list_of_members_that_never_was_is_noticed() -> None:
    log = _Log()
    ann, bob = log.put("group/ann", lease=1), log.put("group/bob", lease=1)
    log.told.journal.listings.append(Listing(bob, (("ann", ann), ("bob", bob))))
    grouping.check_group(log.told)
    log.told.journal.listings.append(Listing(ann, (("ann", ann), ("bob", bob))))
    with pytest.raises(Violation, match="group: Listing"):
        grouping.check_group(log.told)


def test_a_change_of_the_board_that_was_passed_over_or_repeated_is_noticed() -> None:
    log = _Log()
    notices = [("s", b"%d" % n, log.put("board/s", b"%d" % n), False) for n in range(3)]
    reading = Reading(began=1, batches=[(notices[0], notices[1]), (notices[2],)])
    log.told.journal.readings.append(reading)
    assert telling.check_board(log.told)["batches read"] == 2
    for wrong in ([(notices[0],), (notices[2],)], [(notices[0],), (notices[0], notices[1])]):
        reading.batches = list(wrong)
        with pytest.raises(Violation, match="board: after"):
            telling.check_board(log.told)


def test_an_addition_that_was_lost_or_told_twice_is_noticed() -> None:
    log = _Log()
    log.put("sum", b"1")
    log.put("sum", b"2")
    log.told.journal.sums += [1, 2]
    telling.check_sum(log.told)
    log.told.journal.sums.append(2)
    with pytest.raises(Violation, match="told was"):
        telling.check_sum(log.told)
    log.put("sum", b"2")
    with pytest.raises(Violation, match="it went"):
        telling.check_sum(log.told)


def test_an_item_in_line_before_its_time_is_noticed() -> None:
    log = _Log()
    for due_ms, is_early in ((300, False), (900, True)):
        item = f"{int(EPOCH_MS) + due_ms:016x}0001"
        log.put(f"late/later/{item}")
        log.put(f"late/ready/{item}")
        if is_early:
            with pytest.raises(Violation, match="before 900"):
                kinds.check_times(log.told, b"late/")
        else:
            kinds.check_times(log.told, b"late/")


def test_a_name_that_is_in_the_queue_twice_is_noticed() -> None:
    log = _Log()
    log.put("named/name/ann/1")
    log.delete("named/name/ann/1")
    log.put("named/name/ann/2")
    kinds.check_names(log.told, 2, b"named/")
    log.put("named/name/ann/3")
    with pytest.raises(Violation, match="at once"):
        kinds.check_names(log.told, 3, b"named/")
