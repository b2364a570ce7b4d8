"""Reads wait for an index, then for the store; failed ones ask again until their deadline."""

from coord.ids import LogIndex
from coord.node.reads import RETRY_MS, Reads, WaitingRead
from coord.requests import Range

_OPS = (Range(b"k"),)


def _read(request: int, deadline_ms: float = 1000.0) -> WaitingRead:
    return WaitingRead(b"route", request, _OPS, deadline_ms)


def test_all_reads_of_a_turn_share_one_context() -> None:
    reads = Reads(100)
    reads.take(_read(1))
    reads.take(_read(2))
    context = reads.next_context(0.0)
    assert context == 101
    assert reads.next_context(0.0) is None
    reads.indexed(101, LogIndex(7), 0.0)
    assert [read.request for read in reads.ready(LogIndex(7))] == [1, 2]


def test_a_read_is_not_answered_before_its_index_is_applied() -> None:
    reads = Reads(0)
    reads.take(_read(1))
    context = reads.next_context(0.0)
    assert context is not None
    reads.indexed(context, LogIndex(7), 0.0)
    assert reads.ready(LogIndex(6)) == []
    assert len(reads.ready(LogIndex(8))) == 1
    assert reads.ready(LogIndex(9)) == []


def test_contexts_are_never_used_twice() -> None:
    reads = Reads(0)
    seen = []
    for number in range(5):
        reads.take(_read(number))
        seen.append(reads.next_context(0.0))
    assert len(set(seen)) == 5


def test_a_failed_read_asks_again_under_a_new_context_after_a_pause() -> None:
    reads = Reads(0)
    reads.take(_read(1))
    first = reads.next_context(0.0)
    assert first is not None
    reads.indexed(first, LogIndex(0), 10.0)
    assert reads.next_context(10.0 + RETRY_MS - 1) is None
    assert reads.next_wake_ms() == 10.0 + RETRY_MS
    second = reads.next_context(10.0 + RETRY_MS)
    assert second not in (None, first)


def test_a_late_answer_for_an_unknown_context_changes_nothing() -> None:
    reads = Reads(0)
    reads.indexed(999, LogIndex(5), 0.0)
    assert reads.ready(LogIndex(10)) == []


def test_a_read_that_never_gets_an_index_is_given_up_at_its_deadline() -> None:
    reads = Reads(0)
    reads.take(_read(1, deadline_ms=40.0))
    reads.take(_read(2, deadline_ms=400.0))
    context = reads.next_context(0.0)
    assert context is not None
    reads.indexed(context, LogIndex(0), 0.0)
    assert [read.request for read in reads.expired(40.0)] == [1]
    assert reads.expired(41.0) == []
