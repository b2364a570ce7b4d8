"""`coord queue gate`: queues held shut by a person, and takers that obey at once."""

import json
import time
from typing import Any

import pytest

from coord import ops


@pytest.fixture
def coord_command(coord_command: Any) -> Any:
    """Return a `coord` that goes on when it has made a watch."""
    coord_command.is_ended = False
    return coord_command


def _take(coord_command: Any, *words: str) -> str:
    return str(coord_command("queue", "take", "mail", *words).stdout)


def _gate(coord_command: Any, *words: str) -> str:
    result = coord_command("queue", "gate", "mail", *words)
    assert result.exit_code == 0, result.stderr
    return str(result.stdout)


def test_a_queue_without_a_gate_is_open_and_says_so(coord_command: Any) -> None:
    assert _gate(coord_command) == "mail has no gate\n"
    assert _gate(coord_command, "--wait") == "mail has no gate\n"
    assert json.loads(_gate(coord_command, "-w", "json")) == {"queue": "mail", "is_open": True}


def test_nothing_is_taken_until_so_many_items_wait_and_then_all_in_order(
    coord_command: Any,
) -> None:
    assert "0 of 3" in _gate(coord_command, "--size", "3")
    coord_command("queue", "put", "mail", "one", "two")
    assert _take(coord_command, "--try") == ""
    assert "shut, 2 of 3" in _gate(coord_command)
    coord_command("queue", "put", "mail", "three")
    assert _take(coord_command, "--count", "0", "--try") == "one\ntwo\nthree\n"
    coord_command("queue", "put", "mail", "four")
    assert _take(coord_command, "--try") == "four\n"
    assert "open" in _gate(coord_command)


def test_a_signal_opens_the_queue_for_whoever_waits(coord_command: Any) -> None:
    _gate(coord_command, "--signal")
    coord_command("queue", "put", "mail", "one")
    coord_command.steps += [
        lambda: coord_command.cluster.write(ops.put("queues/mail/gate/signal", "by ann")),
    ]
    assert _take(coord_command) == "one\n"
    assert "by ann" in _gate(coord_command)
    coord_command("queue", "put", "mail", "two")
    _gate(coord_command, "--signal")  # the old signal does not count
    assert _take(coord_command, "--try") == ""
    _gate(coord_command, "--send", "by bob")
    assert _take(coord_command, "--try") == "two\n"


def test_the_item_that_is_waited_for_is_taken_before_the_rest(coord_command: Any) -> None:
    coord_command("queue", "put", "mail", "one", "two")
    awaited = coord_command("queue", "put", "mail", "three").stdout.strip()
    _gate(coord_command, "--item", awaited)
    assert _take(coord_command, "--count", "0", "--try") == "three\none\ntwo\n"


def test_all_conditions_must_be_met_or_with_any_one_of_them(coord_command: Any) -> None:
    coord_command("queue", "put", "mail", "one")
    _gate(coord_command, "--size", "1", "--signal")
    assert _take(coord_command, "--try") == ""
    assert "1 of all 2" in _gate(coord_command)
    assert "signal queues/mail/gate/signal" in _gate(coord_command, "-w", "table")
    _gate(coord_command, "--size", "1", "--signal", "--any")
    assert _take(coord_command, "--try") == "one\n"


def test_a_time_that_has_passed_opens_and_one_to_come_does_not(coord_command: Any) -> None:
    coord_command("queue", "put", "mail", "one", "two")
    _gate(coord_command, "--at", "2020-01-01T00:00+00:00")
    assert _take(coord_command, "--try") == "one\n"
    _gate(coord_command, "--after", "3600")
    assert _take(coord_command, "--try") == ""
    told = json.loads(_gate(coord_command, "-w", "json"))
    assert told["verdict"]["target"] > time.time() * 1000


def test_a_gate_given_anew_shuts_again_and_one_taken_away_opens(coord_command: Any) -> None:
    coord_command("queue", "put", "mail", "one", "two")
    _gate(coord_command, "--size", "1")
    assert _take(coord_command, "--try") == "one\n"
    _gate(coord_command, "--size", "5")
    assert _take(coord_command, "--try") == ""
    assert _gate(coord_command, "--remove") == "mail has no gate\n"
    assert _take(coord_command, "--try") == "two\n"


def test_a_gate_can_be_opened_by_hand_and_tells_by_whom(coord_command: Any) -> None:
    coord_command("queue", "put", "mail", "one")
    _gate(coord_command, "--signal")
    told = json.loads(_gate(coord_command, "--open", "ann", "-w", "json"))
    assert (told["is_open"], told["opening"]["by"]) == (True, "ann")
    assert _take(coord_command, "--try") == "one\n"
    missing = coord_command("queue", "gate", "other", "--open", "ann")
    assert (missing.exit_code, missing.stderr) == (1, "coord: other has no gate\n")


def test_whoever_waits_is_told_when_the_gate_is_set_anew_or_taken_away(coord_command: Any) -> None:
    _gate(coord_command, "--signal")
    coord_command("queue", "put", "mail", "one")
    coord_command.steps += [
        lambda: coord_command.cluster.write(ops.delete("queues/mail/gate/", prefix=True)),
    ]
    assert _take(coord_command) == "one\n"


def test_waiting_for_the_gate_ends_when_it_opens(coord_command: Any) -> None:
    _gate(coord_command, "--size", "1")
    coord_command.steps += [
        lambda: coord_command.cluster.write(ops.put("queues/mail/ready/1", "one")),
    ]
    assert "open" in _gate(coord_command, "--wait")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--size", "0"], "not in the range"),
        (["--size", "100000001"], "at most"),
        (["--item", "a/b"], "without a slash"),
        (["--at", "noon"], "is no time"),
        (["--after", "-1"], "-1"),
        (["--any"], "of nothing"),
        (["--size", "1", "--remove"], "exclude each other"),
        (["--send", "x", "--open", "ann"], "exclude each other"),
    ],
)
def test_what_can_never_open_or_work_is_misuse_told_in_one_line(
    coord_command: Any, words: list[str], said: str
) -> None:
    result = coord_command("queue", "gate", "mail", *words)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert coord_command.cluster.store.key_count == 0
