"""Tests of how large answers are taken to be."""

import msgspec
import pytest

from coord.model import KeyValue
from coord.requests import (
    ClaimReply,
    DeleteReply,
    ErrorReply,
    LeaseTimeToLiveReply,
    PutReply,
    RangeReply,
    Reply,
    SnapshotPartReply,
    TxnReply,
)
from coord.store.sizes import answer_bytes

_KVS = tuple(KeyValue(b"key%04d" % n, b"v" * 1000, n + 2, n + 2, 1) for n in range(200))
_RANGE = RangeReply(300, _KVS, False, 200)
_ANSWERS: list[Reply] = [
    PutReply(7),
    PutReply(7, _KVS[0]),
    _RANGE,
    ClaimReply(300, _KVS),
    DeleteReply(300, 200, _KVS),
    TxnReply(300, True, (_RANGE, TxnReply(300, True, (_RANGE, PutReply(7, _KVS[0]))))),
    SnapshotPartReply(1, 2, 3, 4, b"x" * 10_000, False),
    LeaseTimeToLiveReply(1, 2, 3, tuple(kv.key for kv in _KVS)),
    ErrorReply(11, "d" * 500),
]


@pytest.mark.parametrize("answer", _ANSWERS, ids=lambda answer: type(answer).__name__)
def test_an_answer_is_about_as_large_as_its_encoding(answer: Reply) -> None:
    encoded_bytes = len(msgspec.msgpack.encode(answer))
    assert 0.8 * encoded_bytes <= answer_bytes(answer) <= 1.2 * encoded_bytes + 64
