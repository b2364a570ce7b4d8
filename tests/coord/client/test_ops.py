"""Requests built from what callers write down."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord import limits
from coord.client import ops
from coord.errors import CoordError, ErrorCode, Misuse
from coord.requests import (
    Compare,
    CompareResult,
    CompareTarget,
    DeleteRange,
    Put,
    Range,
    Txn,
)


def code_of(call: Any, *args: Any, **kwargs: Any) -> ErrorCode | None:
    with pytest.raises(Misuse) as caught:
        call(*args, **kwargs)
    return caught.value.code


def test_text_and_bytes_mean_the_same() -> None:
    assert (
        ops.put("ä", "ö") == ops.put("ä".encode(), "ö".encode()) == Put("ä".encode(), "ö".encode())
    )
    assert ops.put(bytearray(b"k"), memoryview(b"v")) == Put(b"k", b"v")  # type: ignore[arg-type]


def test_keys_and_values_are_bounded() -> None:
    ops.put(bytes(limits.KEY_BYTES_MAX), bytes(limits.VALUE_BYTES_MAX))
    assert code_of(ops.put, "") is ErrorCode.EMPTY_KEY
    assert code_of(ops.put, bytes(limits.KEY_BYTES_MAX + 1)) is ErrorCode.KEY_TOO_LARGE
    assert code_of(ops.put, "k", bytes(limits.VALUE_BYTES_MAX + 1)) is ErrorCode.VALUE_TOO_LARGE
    assert code_of(ops.put, 7) is ErrorCode.INVALID_OPTION


def test_options_that_contradict_each_other_are_refused() -> None:
    assert code_of(ops.put, "k", "v", ignore_value=True) is ErrorCode.VALUE_PROVIDED
    assert code_of(ops.put, "k", lease=1, ignore_lease=True) is ErrorCode.LEASE_PROVIDED
    assert code_of(ops.get, "k", prefix=True, from_key=True) is ErrorCode.INVALID_OPTION
    assert code_of(ops.delete, "k", prefix=True, range_end="l") is ErrorCode.INVALID_OPTION


def test_numbers_out_of_range_are_refused() -> None:
    assert code_of(ops.put, "k", lease=-1) is ErrorCode.INVALID_OPTION
    assert code_of(ops.get, "k", limit=-1) is ErrorCode.INVALID_OPTION
    assert code_of(ops.grant, 0) is ErrorCode.INVALID_OPTION
    assert code_of(ops.grant, limits.LEASE_TTL_MS_MAX + 1) is ErrorCode.LEASE_TTL_TOO_LARGE
    assert code_of(ops.claim, "a", "b", 1, 0) is ErrorCode.INVALID_OPTION
    assert code_of(ops.claim, "a", "b", 1, limits.CLAIM_KEYS_MAX + 1) is ErrorCode.INVALID_OPTION


def test_a_range_is_named_in_one_of_four_ways() -> None:
    assert ops.delete("k") == DeleteRange(b"k")
    assert ops.delete("k", range_end="n") == DeleteRange(b"k", b"n")
    assert ops.delete("k", prefix=True) == DeleteRange(b"k", b"l")
    assert ops.delete("k", from_key=True) == DeleteRange(b"k", b"\0")
    assert ops.get("", prefix=True) == ops.get("", from_key=True) == Range(b"\0", b"\0")


@given(prefix=st.binary(min_size=1, max_size=4), key=st.binary(max_size=6))
def test_a_prefix_range_holds_exactly_the_keys_that_start_so(prefix: bytes, key: bytes) -> None:
    end = ops.prefix_end(prefix)
    inside = prefix <= key and (end == b"\0" or key < end)
    assert inside == key.startswith(prefix)


def test_conditions_name_their_target_and_relation() -> None:
    assert ops.version("k", ">", 2) == Compare(
        b"k", CompareTarget.VERSION, CompareResult.GREATER, 2
    )
    assert ops.value("k", "!=", "v") == Compare(
        b"k", CompareTarget.VALUE, CompareResult.NOT_EQUAL, b"v"
    )
    assert ops.missing("k") == ops.created("k", "==", 0)
    assert ops.exists("k") == ops.created("k", ">", 0)
    assert ops.modified("k", "<", 9).target is CompareTarget.MOD
    assert ops.leased("k", "==", 9).target is CompareTarget.LEASE
    assert code_of(ops.version, "k", "=>", 1) is ErrorCode.INVALID_OPTION


def test_a_transaction_takes_only_what_belongs_in_one() -> None:
    nested = ops.txn(success=[ops.put("a")])
    built = ops.txn([ops.exists("k")], [ops.get("k"), nested], iter([ops.delete("k")]))
    assert built == Txn((ops.exists("k"),), (Range(b"k"), nested), (DeleteRange(b"k"),))
    assert code_of(ops.txn, ["k"]) is ErrorCode.INVALID_OPTION
    assert code_of(ops.txn, [], ["k"]) is ErrorCode.INVALID_OPTION
    many = [ops.put("k")] * (limits.TXN_OPS_MAX + 1)
    assert code_of(ops.txn, [], many) is ErrorCode.TOO_MANY_OPS


def test_a_transaction_larger_than_a_request_may_be_is_refused() -> None:
    large = [ops.put(f"k{at}", bytes(limits.VALUE_BYTES_MAX)) for at in range(2)]
    assert code_of(ops.size_bytes, ops.txn(success=large)) is ErrorCode.REQUEST_TOO_LARGE
    assert ops.size_bytes(ops.put("k", bytes(100))) > 100


def test_every_refusal_is_an_error_of_ours() -> None:
    with pytest.raises(CoordError):
        ops.put(None)  # type: ignore[arg-type]


def test_a_transaction_that_only_reads_is_known_as_such() -> None:
    reading = ops.txn([ops.exists("k")], [ops.get("k")], [ops.txn(success=[ops.get("l")])])
    assert ops.is_read_only(reading)
    assert not ops.is_read_only(ops.txn(failure=[ops.txn(success=[ops.put("k")])]))
    assert ops.is_read_only(ops.txn())
