"""What clients ask: repeatable, unique values, every kind in time."""

from collections import Counter
from random import Random

from coord.model import KeyValue
from coord.requests import ClaimReply, LeaseGrant, LeaseGrantReply, Put, Range, Txn
from coord.testing.workload import Workload, WriteWish


def _wishes(seed: int, count: int) -> list[object]:
    workload = Workload("c1", 3, Random(seed))
    made: list[object] = []
    for _ in range(count):
        wish = workload.next()
        made.append(wish.op)
        if isinstance(wish.op, LeaseGrant):
            workload.told(wish, LeaseGrantReply(9, 500))
    return made


def test_the_same_luck_asks_the_same() -> None:
    assert _wishes(3, 200) == _wishes(3, 200)
    assert _wishes(3, 200) != _wishes(4, 200)


def test_no_value_is_used_twice() -> None:
    puts = [op for op in _wishes(1, 2_000) if isinstance(op, Put)]
    assert len({op.value for op in puts}) == len(puts) > 100


def test_every_kind_of_request_comes_up() -> None:
    kinds = Counter(type(op).__name__ for op in _wishes(1, 2_000))
    wanted = "Put Range DeleteRange Txn LeaseGrant LeaseKeepAlive LeaseRevoke LeaseTimeToLive"
    assert set(wanted.split()) | {"Claim", "Compact", "TransferLeader"} <= set(kinds)


def test_after_an_open_outcome_it_looks_before_it_writes_again() -> None:
    workload = Workload("c1", 3, Random(1))
    workload.refused()
    assert isinstance(workload.next().op, Range)


def test_a_claim_is_completed_under_its_token() -> None:
    workload = Workload("c1", 3, Random(1))
    wish = WriteWish(LeaseGrant(500))
    workload.told(wish, LeaseGrantReply(9, 500))
    workload.told(wish, ClaimReply(5, (KeyValue(b"c/c1/1", b"v", 5, 5, 1, 9, 1),)))
    completed = next(
        op
        for op in (workload.next().op for _ in range(500))
        if isinstance(op, Txn) and op.compare and op.compare[0].key == b"c/c1/1"
    )
    assert completed.compare[0].value == 5
