"""What is refused before it is proposed, in words that say what is allowed."""

from typing import Any

import msgspec
import pytest

from coord import limits
from coord.errors import ErrorCode
from coord.requests import (
    Claim,
    Compare,
    CompareResult,
    CompareTarget,
    DeleteRange,
    ErrorReply,
    GiveBack,
    Invalid,
    LeaseGrant,
    LeaseList,
    Put,
    Range,
    SetAlarm,
    Txn,
)
from coord.store.checks import check_key, check_read, check_write, is_empty_span
from coord.testing.feed import Feed

LONG = b"x" * (limits.KEY_BYTES_MAX + 1)
EQ = CompareResult.EQUAL


@pytest.mark.parametrize(
    ("op", "code", "words"),
    [
        (Put(b""), ErrorCode.EMPTY_KEY, ""),
        (Put(LONG), ErrorCode.KEY_TOO_LARGE, "4097 bytes; at most 4096"),
        (Put(b"k", bytes(limits.VALUE_BYTES_MAX + 1)), ErrorCode.VALUE_TOO_LARGE, "at most"),
        (Put(b"k", b"v", ignore_value=True), ErrorCode.VALUE_PROVIDED, "keeps the old"),
        (Put(b"k", b"", 7, ignore_lease=True), ErrorCode.LEASE_PROVIDED, "keeps the old"),
        (Put(LONG[:4090], sequence=True), ErrorCode.KEY_TOO_LARGE, "at most 4076"),
        (Put(b"k", sequence=True, ignore_value=True), ErrorCode.INVALID_OPTION, "new key"),
        (Put(b"c/", b"", 7, claimed_from=b"q/"), ErrorCode.INVALID_OPTION, "needs sequence"),
        (
            Put(b"c/", b"", sequence=True, claimed_from=b"q/"),
            ErrorCode.INVALID_OPTION,
            "needs sequence and a lease",
        ),
        (
            Put(b"q/c/", b"", 7, sequence=True, claimed_from=b"q/"),
            ErrorCode.INVALID_OPTION,
            "overlap",
        ),
        (
            Put(b"c/", b"", 7, sequence=True, claimed_from=LONG[:4090]),
            ErrorCode.KEY_TOO_LARGE,
            "at most 4076",
        ),
        (DeleteRange(b""), ErrorCode.EMPTY_KEY, ""),
        (DeleteRange(b"k", LONG + b"x"), ErrorCode.KEY_TOO_LARGE, "range end"),
        (GiveBack(b"", 1), ErrorCode.EMPTY_KEY, ""),
        (Claim(b"a/", b"a/b/", 1), ErrorCode.INVALID_OPTION, "overlap"),
        (Claim(b"a/b/", b"a/", 1), ErrorCode.INVALID_OPTION, "overlap"),
        (Claim(b"a/", b"a/", 1), ErrorCode.INVALID_OPTION, "overlap"),
        (Claim(b"a/", b"b/", 1, limits.CLAIM_KEYS_MAX + 1), ErrorCode.INVALID_OPTION, "1 to 1024"),
        (LeaseGrant(limits.LEASE_TTL_MS_MAX + 1), ErrorCode.LEASE_TTL_TOO_LARGE, "at most"),
        (Invalid(1), ErrorCode.MALFORMED, "only nodes"),
        (Txn((), (Put(b""),)), ErrorCode.EMPTY_KEY, ""),
        (Txn((), (), (Txn((), (DeleteRange(b""),)),)), ErrorCode.EMPTY_KEY, ""),
        (Txn((), (Claim(b"a", b"ab", 1),)), ErrorCode.INVALID_OPTION, "overlap"),
        (Txn((), (Range(b"a", revision=-1),)), ErrorCode.INVALID_OPTION, "negative"),
        (Txn((Compare(b"", CompareTarget.MOD, EQ, 1),)), ErrorCode.EMPTY_KEY, ""),
        (
            Txn((Compare(b"k", CompareTarget.MOD, EQ, b"1"),)),
            ErrorCode.INVALID_OPTION,
            "compare of MOD with a value of type bytes; it must be an int",
        ),
        (
            Txn((Compare(b"k", CompareTarget.VALUE, EQ, 1),)),
            ErrorCode.INVALID_OPTION,
            "compare of VALUE with a value of type int; it must be bytes",
        ),
    ],
)
def test_a_write_that_can_never_be_done_is_refused(op: Any, code: ErrorCode, words: str) -> None:
    error = check_write(op)
    assert error is not None
    assert error.code == code
    assert words in error.detail


@pytest.mark.parametrize(
    ("op", "code"),
    [
        (Range(b""), ErrorCode.EMPTY_KEY),
        (Range(b"k", revision=-1), ErrorCode.INVALID_OPTION),
        (Range(b"k", limit=-1), ErrorCode.INVALID_OPTION),
        (Range(b"k", max_create_revision=-1), ErrorCode.INVALID_OPTION),
        (Range(LONG), ErrorCode.KEY_TOO_LARGE),
        (Txn((), (Put(b"k"),)), ErrorCode.NOT_SUPPORTED),
        (Txn((), (Range(b""),)), ErrorCode.EMPTY_KEY),
    ],
)
def test_a_read_that_can_never_be_answered_is_refused(op: Any, code: ErrorCode) -> None:
    error = check_read(op)
    assert error is not None
    assert error.code == code


@pytest.mark.parametrize(
    "op",
    [
        Put(LONG[1:], bytes(limits.VALUE_BYTES_MAX)),
        Put(b"k", b"", 0, ignore_value=True, ignore_lease=True),
        Put(LONG[:4076], sequence=True),
        DeleteRange(b"b", b"a"),
        DeleteRange(b"b", LONG),
        LeaseGrant(-1),
        Claim(b"a/", b"b/", 1, limits.CLAIM_KEYS_MAX),
    ],
)
def test_what_some_state_could_allow_passes(op: Any) -> None:
    assert check_write(op) is None


def test_reads_pass_that_ask_for_what_there_may_be() -> None:
    for op in (Range(b"b", b"a"), Range(b"k", revision=10**9), Txn((), (Range(b"a"),)), Txn(),
               LeaseList()):  # fmt: skip
        assert check_read(op) is None


# --- transactions -------------------------------------------------------------------------------


def nested(depth: int) -> Txn:
    return Txn() if depth == 1 else Txn((), (nested(depth - 1),))


def test_nesting_is_allowed_to_its_bound() -> None:
    assert check_write(nested(limits.TXN_DEPTH_MAX)) is None
    error = check_write(nested(limits.TXN_DEPTH_MAX + 1))
    assert error is not None
    assert error.code == ErrorCode.TOO_MANY_OPS


def test_nesting_as_deep_as_bytes_can_say_is_refused_and_harms_nothing() -> None:
    depth = 250
    encoded = b"\x94\x04\x90\x91" * depth + b"\x94\x04\x90\x90\x90" + b"\x90" * depth
    op = msgspec.msgpack.decode(encoded, type=Txn)
    feed = Feed()
    for error in (check_write(op), check_read(op), feed.store.read(op), feed.do(op)):
        assert isinstance(error, ErrorReply)
    feed.do(SetAlarm(1, True))
    assert feed.refused(op) == ErrorCode.TOO_MANY_OPS


def lists(compares: int, success: int, failure: int, inner: int = 0) -> Txn:
    compare = Compare(b"k", CompareTarget.MOD, EQ, 0)
    tail = (Txn((), (Range(b"k"),) * inner),) if inner else ()
    return Txn((compare,) * compares, (Range(b"k"),) * success + tail, (Range(b"k"),) * failure)


@pytest.mark.parametrize(
    ("op", "allowed"),
    [
        (lists(1024, 1024, 1024), True),
        (lists(1025, 0, 0), False),
        (lists(0, 1025, 0), False),
        (lists(0, 0, 1025), False),
        (lists(0, 500, 600, 424), True),
        (lists(0, 500, 600, 425), False),
        (lists(1000, 0, 0, 25), False),
    ],
)
def test_each_list_is_counted_alone_and_nested_ones_get_what_is_left(
    op: Txn, allowed: bool
) -> None:
    error = check_write(op)
    assert (error is None) is allowed
    assert error is None or error.code == ErrorCode.TOO_MANY_OPS


A, B, DELETE_A, DELETE_ALL = Put(b"a"), Put(b"b"), DeleteRange(b"a"), DeleteRange(b"\0", b"\0")


def then(*ops: Any) -> Txn:
    return Txn((), ops)


@pytest.mark.parametrize(
    "ops",
    [
        (A, A),
        (A, DELETE_A),
        (DELETE_A, A),
        (A, DELETE_ALL),
        (A, DeleteRange(b"a", b"a\0")),
        (A, then(A)),
        (then(A), A),
        (then(A), then(A)),
        (then(A), DELETE_A),
        (DELETE_A, then(A)),
        (then(DELETE_A), A),
        (A, then(DELETE_A)),
        (then(DELETE_A), then(A)),
        (then(A, DELETE_A),),
        (A, Txn((), (), (A,))),
        (then(then(A)), A),
    ],
)
@pytest.mark.parametrize("failure", [False, True])
def test_putting_a_key_twice_or_putting_and_deleting_it_is_refused(
    ops: tuple[Any, ...], failure: bool
) -> None:
    error = check_write(Txn((), (), ops) if failure else Txn((), ops))
    assert error is not None
    assert error.code == ErrorCode.DUPLICATE_KEY
    assert "b'a'" in error.detail


@pytest.mark.parametrize(
    "op",
    [
        Txn((), (A,), (A,)),
        Txn((), (A,), (DELETE_A,)),
        then(A, B),
        then(DELETE_A, DELETE_ALL, DELETE_A),
        then(Txn((), (A,), (A,))),
        then(A, DeleteRange(b"a\0", b"z")),
        then(A, DeleteRange(b"\0", b"a")),
        then(A, DeleteRange(b"z", b"a")),
        then(Put(b"a", sequence=True), Put(b"a", sequence=True), DELETE_A),
        then(then(A), then(DELETE_A)),
    ],
)
def test_branches_exclude_each_other_deletes_may_overlap_and_etcds_gap_stays(op: Txn) -> None:
    assert check_write(op) is None


def test_a_large_transaction_of_puts_and_deletes_is_checked_quickly() -> None:
    deletes = tuple(DeleteRange(b"d%04d" % at) for at in range(512))
    puts = tuple(Put(b"p%04d" % at) for at in range(512))
    assert check_write(Txn((), deletes + puts)) is None
    error = check_write(Txn((), (*deletes, *puts[:-1], Put(b"d0300"))))
    assert error is not None
    assert error.code == ErrorCode.DUPLICATE_KEY


# --- names --------------------------------------------------------------------------------------


def test_a_key_name_is_neither_empty_nor_too_long() -> None:
    assert check_key(b"k") is None
    assert check_key(LONG[1:]) is None
    for name in (b"", LONG):
        assert check_key(name) is not None


def test_an_empty_span_is_one_that_can_hold_no_key() -> None:
    assert is_empty_span(b"b", b"a")
    assert is_empty_span(b"b", b"b")
    assert not is_empty_span(b"b", b"")
    assert not is_empty_span(b"b", b"\0")
    assert not is_empty_span(b"b", b"c")
