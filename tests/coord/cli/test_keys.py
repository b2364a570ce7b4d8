"""put, get, del and compact: what they ask for, and what they print."""

import json
from typing import Any

import pytest

from coord.errors import ErrorCode, error_from
from coord.model import KeyValue
from coord.requests import (
    CompactReply,
    DeleteReply,
    PutReply,
    RangeReply,
    SortOrder,
    SortTarget,
)

A = KeyValue(b"a", b"1", 2, 5, 3, 0x1F)
B = KeyValue(b"b", b"\xff", 3, 3, 1)


def test_put_prints_ok(coord_command: Any) -> None:
    result = coord_command("put", "a", "1", put=PutReply(2))
    assert (result.exit_code, result.stdout) == (0, "OK\n")
    name, args, options = coord_command.call
    assert (name, args) == ("put", (b"a", b"1"))
    assert not any(options.values())
    assert coord_command.client.closed


def test_put_passes_its_options_on(coord_command: Any) -> None:
    coord_command("put", "--lease", "1f", "--prev-kv", "a", "1", put=PutReply(2))
    _, _, options = coord_command.call
    assert options["lease"] == 0x1F
    assert options["prev_kv"]


def test_put_takes_a_missing_value_from_standard_input(coord_command: Any) -> None:
    coord_command("put", "a", stdin=b"two\nlines\n\xff", put=PutReply(2))
    assert coord_command.call[1] == (b"a", b"two\nlines\n\xff")


def test_put_with_ignore_value_does_not_read_standard_input(coord_command: Any) -> None:
    coord_command("put", "--ignore-value", "a", stdin="unread", put=PutReply(2))
    assert coord_command.call[1] == (b"a", b"")
    assert coord_command.call[2]["ignore_value"]


def test_put_prints_what_the_key_was_before(coord_command: Any) -> None:
    result = coord_command("put", "a", "2", "--prev-kv", put=PutReply(6, A))
    assert result.stdout == "OK\na\n1\n"


def test_a_value_may_start_with_a_dash_after_two_dashes(coord_command: Any) -> None:
    coord_command("put", "--", "a", "--prefix", put=PutReply(2))
    assert coord_command.call[1] == (b"a", b"--prefix")


def test_put_as_json_has_etcdctls_shape(coord_command: Any) -> None:
    result = coord_command("put", "a", "2", "-w", "json", put=PutReply(6, A))
    found = json.loads(result.stdout)
    assert found["header"]["revision"] == 6
    assert found["prev_kv"]["key"] == "YQ=="
    assert found["prev_kv"]["mod_revision"] == 5


def test_get_prints_keys_and_values_as_they_are(coord_command: Any) -> None:
    result = coord_command("get", "a", "c", get=RangeReply(6, (A, B), False, 2))
    assert result.stdout_bytes == b"a\n1\nb\n\xff\n"
    assert coord_command.call[1] == (b"a",)
    assert coord_command.call[2]["range_end"] == b"c"


def test_get_of_a_missing_key_prints_nothing_and_is_no_error(coord_command: Any) -> None:
    result = coord_command("get", "a", get=RangeReply(6))
    assert (result.exit_code, result.stdout) == (0, "")


def test_get_passes_its_options_on(coord_command: Any) -> None:
    coord_command(
        *("get", "--prefix", "a", "--rev", "4", "--limit", "7", "--serializable", "--keys-only"),
        *("--sort-by", "modify", "--order", "descend"),
        get=RangeReply(6),
    )
    _, args, options = coord_command.call
    assert args == (b"a",)
    assert options["range_end"] == b"b"
    assert (options["revision"], options["limit"]) == (4, 7)
    assert options["serializable"]
    assert options["keys_only"]
    assert (options["sort_target"], options["sort_order"]) == (SortTarget.MOD, SortOrder.DESCEND)


def test_get_prefix_of_nothing_means_the_whole_store(coord_command: Any) -> None:
    coord_command("get", "--prefix", "", get=RangeReply(6))
    assert coord_command.call[1] == (b"\0",)
    assert coord_command.call[2]["range_end"] == b"\0"


def test_get_count_only_prints_the_count(coord_command: Any) -> None:
    result = coord_command("get", "a", "--prefix", "--count-only", get=RangeReply(6, count=12))
    assert result.stdout == "12\n"


def test_get_can_print_values_only(coord_command: Any) -> None:
    result = coord_command("get", "a", "--print-value-only", get=RangeReply(6, (A,), False, 1))
    assert result.stdout == "1\n"


def test_get_as_json_has_etcdctls_shape(coord_command: Any) -> None:
    result = coord_command("get", "a", "-w", "json", get=RangeReply(6, (A,), True, 9))
    assert json.loads(result.stdout) == {
        "header": {"revision": 6},
        "kvs": [
            {
                "key": "YQ==",
                "create_revision": 2,
                "mod_revision": 5,
                "version": 3,
                "value": "MQ==",
                "lease": 31,
                "claims": 0,
            }
        ],
        "more": True,
        "count": 9,
    }


def test_get_as_a_table_shows_every_field_without_colour(coord_command: Any) -> None:
    odd = KeyValue(b"[red]k", b"\xff", 2, 5, 3)
    result = coord_command("get", "a", "-w", "table", get=RangeReply(6, (A, odd), False, 2))
    assert "000000000000001f" in result.stdout
    assert "[red]k" in result.stdout
    assert "\\xff" in result.stdout
    assert "\x1b" not in result.stdout


def test_del_prints_how_many_and_what(coord_command: Any) -> None:
    result = coord_command("del", "a", "--prefix", "--prev-kv", delete=DeleteReply(7, 1, (A,)))
    assert result.stdout == "1\na\n1\n"
    assert coord_command.call == ("delete", (b"a",), {"range_end": b"b", "prev_kv": True})


def test_del_as_json_has_etcdctls_shape(coord_command: Any) -> None:
    result = coord_command("del", "a", "-w", "json", delete=DeleteReply(7, 0))
    assert json.loads(result.stdout) == {"header": {"revision": 7}, "deleted": 0, "prev_kvs": []}


def test_compact_says_which_revision(coord_command: Any) -> None:
    result = coord_command("compact", "5", compact=CompactReply(9))
    assert result.stdout == "compacted revision 5\n"
    assert coord_command.call == ("compact", (5,), {})


def test_bytes_that_are_not_text_reach_the_store_unchanged(coord_command: Any) -> None:
    coord_command("put", b"k\xff".decode(errors="surrogateescape"), "v", put=PutReply(2))
    assert coord_command.call[1] == (b"k\xff", b"v")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["put"], "Missing argument 'KEY'"),
        (["put", "", "v"], "key is not provided"),
        (["put", "k", "v", "--lease", "xyz"], "'xyz' is not a lease id"),
        (["put", "k", "v", "--lease", "f" * 17], "at most 63 bits"),
        (["put", "k", "v", "--ignore-value"], "value is provided"),
        (["put", "k" * 5000, "v"], "key is too large"),
        (["put", "k", "v", "extra"], "unexpected extra argument"),
        (["get"], "Missing argument 'KEY'"),
        (["get", "a", "b", "--prefix"], "exclude another"),
        (["get", "a", "--sort-by", "luck"], "'luck' is not one of"),
        (["get", "a", "--order", "up"], "'up' is not one of"),
        (["get", "a", "--limit", "-1"], "-1 is not in the range"),
        (["get", "a", "--rev", "x"], "'x' is not a valid integer"),
        (["get", "a", "-w", "xml"], "'xml' is not one of"),
        (["get", "a", "--timeout", "soon"], "'soon' is not a number of seconds"),
        (["get", "a", "--timeout", "0"], "0.001 to"),
        (["get", "a", "--nonsense"], "No such option"),
        (["del"], "Missing argument 'KEY'"),
        (["del", "a", "--prefix", "--from-key"], "exclude another"),
        (["compact"], "Missing argument 'REVISION'"),
        (["compact", "x"], "'x' is not a valid integer"),
        (["compact", "-5"], "No such option"),
    ],
)
def test_bad_input_is_misuse_told_in_one_line(
    coord_command: Any, args: list[str], said: str
) -> None:
    result = coord_command(*args)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.startswith("coord: ")
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""
    assert coord_command.client.calls == []


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [
        (ErrorCode.COMPACTED, 1),
        (ErrorCode.KEY_TOO_LARGE, 2),
        (ErrorCode.LOST_ANSWER, 3),
        (ErrorCode.NO_LEADER, 4),
        (ErrorCode.NO_SPACE, 4),
    ],
)
def test_the_exit_code_tells_whether_it_happened(
    coord_command: Any, code: ErrorCode, exit_code: int
) -> None:
    result = coord_command("put", "a", "1", put=error_from(code))
    assert result.exit_code == exit_code
    assert result.stderr.startswith("coord: ")
    assert result.stderr.count("\n") == 1
    assert coord_command.client.closed
