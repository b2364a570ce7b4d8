"""`coord txn`: the text it reads, the transaction it asks for, what it prints."""

import contextlib
import json
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord import ops
from coord.cli.txn_text import parse_compare, parse_operation, split_words, unquote
from coord.errors import Misuse
from coord.model import KeyValue
from coord.requests import Compare, DeleteReply, PutReply, RangeReply, TxnReply

LOCK = """create("lock") = "0"

put lock "me too" --lease=1f

get lock
del old --prefix

"""
A = KeyValue(b"a", b"1", 2, 5, 3)


def test_three_parts_are_read_from_standard_input(coord_command: Any) -> None:
    coord_command("txn", stdin=LOCK, txn=TxnReply(6, True, (PutReply(6),)))
    name, args, _ = coord_command.call
    assert name == "txn"
    assert args == (
        [ops.created("lock", "==", 0)],
        [ops.put("lock", "me too", lease=0x1F)],
        [ops.get("lock"), ops.delete("old", prefix=True)],
    )


def test_missing_parts_at_the_end_are_empty(coord_command: Any) -> None:
    coord_command("txn", stdin='mod("a") > "0"', txn=TxnReply(6, True, ()))
    assert coord_command.call[1] == ([ops.modified("a", ">", 0)], [], [])


def test_answers_are_printed_as_etcdctl_does(coord_command: Any) -> None:
    replies = (DeleteReply(6, 0), PutReply(6), RangeReply(6), RangeReply(6, (A,), False, 1))
    result = coord_command("txn", stdin=LOCK, txn=TxnReply(6, False, replies))
    assert result.stdout == "FAILURE\n\n0\n\nOK\n\n\na\n1\n"
    assert result.exit_code == 0


def test_interactive_names_each_part(coord_command: Any) -> None:
    result = coord_command("txn", "-i", stdin=LOCK, txn=TxnReply(6, True, ()))
    assert result.stdout == (
        "compares:\nsuccess requests (get, put, del):\nfailure requests (get, put, del):\nSUCCESS\n"
    )
    assert len(coord_command.call[1][2]) == 2


def test_as_json_has_etcdctls_shape(coord_command: Any) -> None:
    reply = TxnReply(6, True, (PutReply(6), RangeReply(6, (A,), False, 1), DeleteReply(6, 2)))
    result = coord_command("txn", "-w", "json", stdin="", txn=reply)
    found = json.loads(result.stdout)
    assert found["succeeded"] is True
    kinds = [list(each["Response"]) for each in found["responses"]]
    assert kinds == [["ResponsePut"], ["ResponseRange"], ["ResponseDeleteRange"]]


def test_as_a_table_names_the_outcome(coord_command: Any) -> None:
    result = coord_command(
        "txn", "-w", "table", stdin="", txn=TxnReply(6, False, (PutReply(6), RangeReply(6, (A,))))
    )
    assert "FAILURE" in result.stdout
    assert "Put" in result.stdout


@pytest.mark.parametrize(
    ("text", "compare"),
    [
        ('val("a") = "x y"', ops.value("a", "==", "x y")),
        ('value(a) != "b"', ops.value("a", "!=", "b")),
        ('ver("a") < "3"', ops.version("a", "<", 3)),
        ('version("a")>"3"', ops.version("a", ">", 3)),
        ('c("a") == 3', ops.created("a", "==", 3)),
        ('create("a") = "3"', ops.created("a", "==", 3)),
        ('mod("a b)") = "3"', ops.modified("a b)", "==", 3)),
        ('lease("a") = "1f"', ops.leased("a", "==", 31)),
        ('val("\\x00\\"q") = "\\n\\u00e4"', ops.value(b'\0"q', "==", "\nä")),
    ],
)
def test_conditions_are_read(text: str, compare: Any) -> None:
    assert parse_compare(text) == compare


@pytest.mark.parametrize(
    ("stdin", "said"),
    [
        ("nonsense", "'nonsense' is no condition"),
        ('mod("a") <= "1"', "compares with a number"),
        ('mod("a") = "x"', "compares with a number"),
        ('ver("a") = "99999999999999999999"', "a whole number of at most 63"),
        ('val("\\U00110000") = "1"', "there is no character 110000"),
        ('colour("a") = "1"', "allowed are val, ver, create, mod, lease"),
        ('val("") = "1"', "key is not provided"),
        ('lease("a") = "xyz"', "is not a lease id"),
        ("\nfetch a\n", "a transaction's operations are put, get, del"),
        ("\nput a\n", "has no value"),
        ("\nput\n", "Missing argument 'KEY'"),
        ("\nget a --colour\n", "No such option"),
        ("\nget --help\n", "asks for help"),
        ("\nget a -w json\n", "has no meaning in a transaction"),
        ("\nget a --endpoints x\n", "has no meaning in a transaction"),
        ('\nput a "open\n', "a quote that does not end"),
    ],
)
def test_bad_input_is_misuse_told_in_one_line(coord_command: Any, stdin: str, said: str) -> None:
    result = coord_command("txn", stdin=stdin)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert coord_command.client.calls == []


def test_words_are_cut_at_blanks_outside_quotes() -> None:
    assert split_words("""put  'a b'  "c \\"d" e"f g"h""") == ["put", "a b", 'c "d', "ef gh"]


def test_operations_take_the_options_of_their_commands() -> None:
    assert parse_operation("put a b --prev-kv") == ops.put("a", "b", prev_kv=True)
    assert parse_operation("get a --limit 3 --prefix") == ops.get("a", limit=3, prefix=True)
    assert parse_operation("del a c") == ops.delete("a", range_end="c")
    assert parse_operation("put --ignore-value a") == ops.put("a", ignore_value=True)


@given(st.text())
def test_any_text_is_a_condition_or_misuse(text: str) -> None:
    with contextlib.suppress(Misuse, click.UsageError):
        assert isinstance(parse_compare(text), Compare)


@given(st.binary())
def test_any_bytes_can_be_written_with_escapes(value: bytes) -> None:
    quoted = '"' + "".join(f"\\x{byte:02x}" for byte in value) + '"'
    assert unquote(quoted) == value
