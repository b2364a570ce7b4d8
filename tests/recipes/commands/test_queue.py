"""`coord queue put, take, list`: items for people and scripts."""

import base64
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from coord import ops
from coord.testing.local_cluster import wait_for


def _put(coord_command: Any, *bodies: str, name: str = "mail") -> list[str]:
    result = coord_command("queue", "put", name, *bodies)
    assert result.exit_code == 0, result.stderr
    return list(result.stdout.split())


def _keys(coord_command: Any, place: str) -> list[str]:
    found = coord_command.cluster.store.read(ops.get(f"queues/mail/{place}/", prefix=True))
    return [kv.key.decode().rpartition("/")[2] for kv in found.kvs]


@pytest.fixture
def coord_command(coord_command: Any) -> Any:
    """Return a `coord` that goes on when it has made a watch."""
    coord_command.is_ended = False
    return coord_command


def _script(text: str) -> list[str]:
    return ["--exec", "sh", "-c", text]


def test_items_are_put_in_order_and_taken_in_order(coord_command: Any) -> None:
    ids = _put(coord_command, "one", "two")
    ids += _put(coord_command, "three")
    assert ids == sorted(ids)
    assert [coord_command("queue", "take", "mail").stdout for _ in range(3)] == [
        "one\n",
        "two\n",
        "three\n",
    ]
    assert _keys(coord_command, "done") == ids


def test_an_item_put_first_is_taken_before_the_rest(coord_command: Any) -> None:
    _put(coord_command, "one")
    coord_command("queue", "put", "mail", "--first", "urgent")
    assert coord_command("queue", "take", "mail", "--count", "2").stdout == "urgent\none\n"


def test_without_a_body_stdin_is_the_item_or_each_of_its_lines(coord_command: Any) -> None:
    coord_command.given = b"a\nb\n"
    assert coord_command("queue", "put", "mail").exit_code == 0
    assert len(coord_command("queue", "put", "mail", "--lines").stdout.split()) == 2
    assert coord_command("queue", "take", "mail", "--count", "3").stdout == "a\nb\n\na\nb\n"


def test_as_json_ids_and_items_are_documents(coord_command: Any) -> None:
    told = json.loads(coord_command("queue", "put", "mail", "a", "b", "-w", "json").stdout)
    lines = coord_command("queue", "take", "mail", "--count", "2", "-w", "json").stdout.splitlines()
    items = [json.loads(line) for line in lines]
    assert [item["id"] for item in items] == told["ids"]
    assert [base64.b64decode(item["body"]) for item in items] == [b"a", b"b"]
    assert {(item["attempt"], item["outcome"]) for item in items} == {(1, "taken")}


@pytest.mark.parametrize("words", [["--try"], ["--wait", "0.01"]])
def test_taking_from_an_empty_queue_without_waiting_is_unavailable(
    coord_command: Any, words: list[str]
) -> None:
    result = coord_command("queue", "take", "mail", *words)
    assert (result.exit_code, result.stdout, result.stderr) == (4, "", "coord: nothing to take\n")
    assert coord_command.cluster.store.lease_count == 0


def test_a_queue_can_be_drained(coord_command: Any) -> None:
    _put(coord_command, "one", "two")
    result = coord_command("queue", "take", "mail", "--count", "0", "--try")
    assert (result.exit_code, result.stdout) == (0, "one\ntwo\n")


def test_told_to_end_while_waiting_it_leaves_nothing(coord_command: Any) -> None:
    coord_command.is_ended = True
    result = coord_command("queue", "take", "mail")
    assert result.exit_code == 143
    assert coord_command.cluster.store.lease_count == 0
    assert coord_command.cluster.store.key_count == 0


def test_a_command_gets_the_item_on_stdin_and_completes_it(
    coord_command: Any, tmp_path: Path
) -> None:
    (item,) = _put(coord_command, "to: ann")
    seen = tmp_path / "seen"
    script = f"(cat; echo; echo $COORD_ITEM_ID $COORD_ITEM_ATTEMPT $1) > {seen}"
    result = coord_command("queue", "take", "mail", *_script(script), "sh", "--count")
    assert (result.exit_code, result.stderr) == (0, "")
    assert seen.read_text() == f"to: ann\n{item} 1 --count\n"
    assert _keys(coord_command, "done") == [item]


def test_a_command_that_fails_gives_the_item_back_and_its_exit_code_is_ours(
    coord_command: Any,
) -> None:
    (item,) = _put(coord_command, "one")
    result = coord_command("queue", "take", "mail", *_script("exit 7"))
    assert result.exit_code == 7
    assert result.stderr == f"coord: {item}: exit code 7, given back after attempt 1\n"
    assert _keys(coord_command, "ready") == [item]
    assert "exit code 7" in str(coord_command.cluster.store.read(ops.get("queues/", prefix=True)))


def test_an_item_is_buried_after_its_last_attempt(coord_command: Any) -> None:
    (item,) = _put(coord_command, "one")
    words = ["queue", "take", "mail", "--count", "0", "--try", "--attempts", "2"]
    result = coord_command(*words, *_script("exit 7"))
    assert result.exit_code == 7
    assert "given back after attempt 1" in result.stderr
    assert "buried after attempt 2" in result.stderr
    assert (
        coord_command("queue", "items", "mail", "--place", "dead").stdout == f"dead {item} - one\n"
    )


def test_a_command_that_is_not_there_costs_no_item_its_attempts(coord_command: Any) -> None:
    (item,) = _put(coord_command, "one")
    result = coord_command("queue", "take", "mail", "--count", "0", "--exec", "no-such-command")
    assert result.exit_code == 127
    assert result.stderr.splitlines()[1] == f"coord: {item} was handed back"
    assert _keys(coord_command, "ready") == [item]
    assert _keys(coord_command, "tries") == []


def test_a_command_that_does_not_read_the_item_is_no_trouble(coord_command: Any) -> None:
    _put(coord_command, 500_000 * "x")
    assert coord_command("queue", "take", "mail", "--exec", "true").exit_code == 0


def _end_when_it_stands(coord_command: Any, tmp_path: Path, then: str) -> list[str]:
    """Have us told to end once the command, which does `then` when it is told, has begun."""
    ready = tmp_path / "ready"

    def end() -> None:
        wait_for(ready.exists, 10, lambda: "the command did not begin")
        os.kill(os.getpid(), signal.SIGTERM)

    coord_command.steps += [end]
    return _script(f"trap '{then}' TERM; touch {ready}; while true; do sleep 0.01; done")


def test_told_to_end_it_tells_the_command_and_hands_the_item_back(
    coord_command: Any, tmp_path: Path
) -> None:
    (item,) = _put(coord_command, "one")
    words = _end_when_it_stands(coord_command, tmp_path, "exit 5")
    result = coord_command("queue", "take", "mail", "--count", "0", *words)
    assert (result.exit_code, result.stderr) == (5, f"coord: {item} was handed back\n")
    assert _keys(coord_command, "ready") == [item]
    assert _keys(coord_command, "tries") == []


def test_told_to_end_a_command_that_succeeds_all_the_same_is_the_last(
    coord_command: Any, tmp_path: Path
) -> None:
    first, second = _put(coord_command, "one", "two")
    words = _end_when_it_stands(coord_command, tmp_path, "exit 0")
    result = coord_command("queue", "take", "mail", "--count", "0", *words)
    assert (result.exit_code, result.stderr) == (143, "")
    assert (_keys(coord_command, "done"), _keys(coord_command, "ready")) == ([first], [second])


def test_an_item_whose_reader_is_gone_is_handed_back(
    coord_command: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (item,) = _put(coord_command, "one")

    def gone(*lines: bytes) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr("recipes.commands.queue_items.print_bytes", gone)
    result = coord_command("queue", "take", "mail")
    assert result.exit_code == 1
    assert f"coord: {item} was handed back\n" in result.stderr
    assert _keys(coord_command, "ready") == [item]


def test_an_item_taken_away_while_a_command_runs_ends_it(coord_command: Any) -> None:
    _put(coord_command, "one")
    cluster = coord_command.cluster
    coord_command.steps += [lambda: cluster.write(ops.delete("queues/mail/held/", prefix=True))]
    result = coord_command("queue", "take", "mail", "--exec", "sleep", "60")
    assert (result.exit_code, result.stderr) == (1, "coord: the item was lost\n")


def test_items_are_listed_where_they_are(coord_command: Any) -> None:
    first, second = _put(coord_command, "one", "two")
    cluster = coord_command.cluster
    cluster.write(ops.put(f"queues/mail/held/w7/{first}", "one"))
    cluster.write(ops.delete(f"queues/mail/ready/{first}"))
    listed = coord_command("queue", "items", "mail").stdout
    assert listed == f"ready {second} - two\nheld {first} w7 one\n"
    as_json = json.loads(coord_command("queue", "items", "mail", "-w", "json").stdout)
    assert as_json[1] == {
        "place": "held", "id": first, "by": "w7", "attempts": 0, "body": "b25l",
    }  # fmt: skip
    assert "w7" in coord_command("queue", "items", "mail", "-w", "table").stdout


def test_queues_are_found_and_counted(coord_command: Any) -> None:
    _put(coord_command, "one", "two")
    _put(coord_command, "x", name="mail-out")
    _put(coord_command, "y", name="a")
    coord_command("queue", "take", "mail")
    assert coord_command("queue", "items").stdout == (
        "a ready 1 held 0 done 0 dead 0\n"
        "mail ready 1 held 0 done 1 dead 0\n"
        "mail-out ready 1 held 0 done 0 dead 0\n"
    )
    as_json = json.loads(coord_command("queue", "items", "-w", "json").stdout)
    assert as_json["mail"] == {"ready": 1, "held": 0, "done": 1, "dead": 0}
    assert coord_command("queue", "items", "--prefix", "other/").stdout == ""


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["put", "a/b", "x"], "without a slash"),
        (["put", "", "x"], "not empty"),
        (["put", "a", "--lines", "x"], "--lines takes no BODY"),
        (["put", "a", "--lines"], "nothing to put"),
        (["take", "a", "--exec"], "--exec wants a command"),
        (["take", "a", "--try", "--wait", "1"], "exclude each other"),
        (["take", "a", "--count", "-1"], "not in the range"),
        (["take", "a", "true"], "unexpected extra argument"),
        (["items", "a", "--place", "limbo"], "limbo"),
        (["items", "a/b"], "without a slash"),
        (["items", "a", "--limit", "0"], "not in the range"),
    ],
)
def test_a_command_line_that_cannot_work_is_misuse_told_in_one_line(
    coord_command: Any, args: list[str], said: str
) -> None:
    result = coord_command("queue", *args)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert coord_command.cluster.store.key_count == 0
