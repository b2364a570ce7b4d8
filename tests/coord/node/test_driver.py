"""A node alone: what it answers, what it refuses, and what it does unasked."""

import msgspec
import pytest

from coord import limits
from coord.codec import client_frames
from coord.errors import ErrorCode
from coord.frames import (
    FrameRejected,
    Hello,
    HelloReply,
    ReadFrame,
    ReadRejected,
    ReadReply,
    WatchCreate,
    WatchEvents,
    WriteFrame,
    WriteReply,
)
from coord.node.chores import internal_frame
from coord.requests import (
    ErrorReply,
    HashReply,
    HashState,
    LeaseGrant,
    LeaseGrantReply,
    LeaseTimeToLive,
    LeaseTimeToLiveReply,
    Put,
    PutReply,
    Range,
    RangeReply,
    ReadOp,
    Reply,
    SetAlarm,
    SnapshotNext,
    SnapshotPartReply,
    Status,
    StatusReply,
    Txn,
)
from coord.store.restore import SnapshotLoader
from coord.testing.lone_node import CLUSTER, WRITER, LoneNode


def _read(lone: LoneNode, *ops: ReadOp, serializable: bool = False) -> tuple[Reply, ...]:
    (reply,) = lone.ask(ReadFrame(3, serializable, ops))
    assert isinstance(reply, ReadReply)
    assert reply.request == 3
    return reply.replies


def _code(reply: Reply) -> int:
    assert isinstance(reply, ErrorReply), reply
    return reply.code


def test_writes_of_a_frame_are_answered_together_and_read_back() -> None:
    lone = LoneNode()
    first, second = lone.write(Put(b"a", b"1"), Put(b"b", b"2"))
    assert (first, second) == (PutReply(2), PutReply(3))
    (found,) = _read(lone, Range(b"b"))
    assert isinstance(found, RangeReply)
    assert found.kvs[0].value == b"2"


def test_a_repeated_frame_is_answered_from_the_record_and_applied_once() -> None:
    lone = LoneNode()
    frame = WriteFrame(WRITER, 1, 1, (Put(b"a", b"1"),))
    first = lone.ask(frame)
    assert lone.ask(frame) == first
    (found,) = _read(lone, Range(b"a"))
    assert isinstance(found, RangeReply)
    assert found.kvs[0].version == 1


def test_an_oversized_write_is_refused_alone_and_its_frame_mates_are_done() -> None:
    lone = LoneNode()
    oversized = msgspec.msgpack.encode(
        [2, WRITER, 1, 1, [Put(b"good"), [1, b"k" * 5000, b""], [1, b"k", b"v" * (2**20 + 1)]]]
    )
    (reply,) = lone.send(oversized)
    assert isinstance(reply, WriteReply)
    assert reply.replies[0] == PutReply(2)
    assert [_code(each) for each in reply.replies[1:]] == [
        ErrorCode.KEY_TOO_LARGE,
        ErrorCode.VALUE_TOO_LARGE,
    ]
    assert "at most 4096" in reply.replies[1].detail  # type: ignore[union-attr]


def test_an_empty_key_an_unknown_operation_and_nonsense_are_told_apart() -> None:
    lone = LoneNode()
    (reply,) = lone.send(
        msgspec.msgpack.encode([2, WRITER, 1, 1, [[1, b"", b"v"], [99, b"k"], "what"]])
    )
    assert isinstance(reply, WriteReply)
    assert [_code(each) for each in reply.replies] == [
        ErrorCode.EMPTY_KEY,
        ErrorCode.MALFORMED,
        ErrorCode.MALFORMED,
    ]


def test_what_only_nodes_may_write_is_refused_from_clients() -> None:
    lone = LoneNode()
    assert _code(lone.write(SetAlarm(1, True))[0]) == ErrorCode.NOT_SUPPORTED
    (reply,) = lone.ask(WriteFrame(1, 1, 1, (Put(b"a"),)))
    assert isinstance(reply, FrameRejected)
    assert lone.node.store.alarms == ()


def test_a_transaction_with_too_many_operations_is_refused() -> None:
    lone = LoneNode()
    ops = tuple(Put(b"%d" % number) for number in range(limits.TXN_OPS_MAX + 1))
    encoded = msgspec.msgpack.encode([2, WRITER, 1, 1, [[4, [], list(ops), []]]])
    (reply,) = lone.send(encoded)
    assert isinstance(reply, WriteReply)
    assert _code(reply.replies[0]) in (ErrorCode.TOO_MANY_OPS, ErrorCode.MALFORMED)
    assert lone.node.store.revision == 1


@pytest.mark.parametrize(
    "payload", [b"", b"\xc1", b"GET / HTTP/1.1\r\n", b"\x93\x02", b"\xff" * 99]
)
def test_malformed_bytes_are_rejected_with_one_report_and_the_next_client_is_served(
    payload: bytes,
) -> None:
    lone = LoneNode()
    (reply,) = lone.send(payload)
    assert isinstance(reply, FrameRejected)
    assert reply.code == ErrorCode.MALFORMED
    assert lone.reports.count("frame refused") == 1
    assert lone.write(Put(b"a")) == (PutReply(2),)


def test_another_cluster_and_another_protocol_version_are_refused_by_name() -> None:
    lone = LoneNode()
    (wrong,) = lone.ask(Hello(1, 123))
    (newer,) = lone.ask(Hello(2))
    assert isinstance(wrong, FrameRejected)
    assert isinstance(newer, FrameRejected)
    assert (wrong.code, newer.code) == (ErrorCode.WRONG_CLUSTER, ErrorCode.WRONG_VERSION)
    (greeted,) = lone.ask(Hello(1, CLUSTER))
    assert isinstance(greeted, HelloReply)
    assert greeted.leader == 1
    assert greeted.members == ((1, "n1", "tcp://h:1"),)


def test_bad_reads_are_refused_one_by_one() -> None:
    lone = LoneNode()
    lone.write(Put(b"a"))
    replies = _read(lone, Range(b"a", revision=99), Range(b"a", limit=1), Txn((), (Put(b"x"),)))
    assert _code(replies[0]) == ErrorCode.FUTURE_REVISION
    assert isinstance(replies[1], RangeReply)
    assert _code(replies[2]) == ErrorCode.NOT_SUPPORTED


def test_an_answer_too_large_to_send_is_refused_with_advice() -> None:
    lone = LoneNode(reply_bytes_max=10_000)
    lone.write(*(Put(b"k%d" % number, b"x" * 1000) for number in range(20)))
    (reply,) = _read(lone, Range(b"k", b"l"))
    assert _code(reply) == ErrorCode.REPLY_TOO_LARGE
    (page,) = _read(lone, Range(b"k", b"l", limit=5))
    assert isinstance(page, RangeReply)
    assert page.more


def test_a_lease_ends_without_any_traffic_and_its_watchers_learn_of_it() -> None:
    lone = LoneNode()
    (grant,) = lone.write(LeaseGrant(500))
    assert isinstance(grant, LeaseGrantReply)
    lone.write(Put(b"a", b"", grant.lease))
    lone.ask(WatchCreate(1, b"a"))
    lone.pass_ms(400)
    (left,) = _read(lone, LeaseTimeToLive(grant.lease))
    assert isinstance(left, LeaseTimeToLiveReply)
    assert 0 < left.remaining_ms <= 100
    assert lone.node.store.key_count == 1
    lone.pass_ms(140)
    assert lone.node.store.key_count == 0
    events = [f for _, f in lone.clients.sent if isinstance(f, WatchEvents)]
    assert len(events) == 1


def test_history_is_compacted_once_enough_has_gathered() -> None:
    lone = LoneNode(history_revisions=20)
    for number in range(40):
        lone.write(Put(b"k", b"%d" % number))
    lone.pass_ms(100)
    assert 0 < lone.node.store.compact_revision <= lone.node.store.revision - 20


def test_a_grown_log_makes_a_snapshot_that_loads_to_the_same_state() -> None:
    lone = LoneNode(snapshot_log_bytes=5_000, snapshot_chunk_bytes=1_000)
    for number in range(20):
        lone.write(Put(b"k%d" % number, b"x" * 500))
    lone.settle()
    assert "snapshot saved" in lone.reports
    loader = SnapshotLoader()
    for chunk in lone.storage.saved:
        loader.feed(chunk)
    assert loader.finish().revision <= lone.node.store.revision


def test_a_fetched_snapshot_is_the_state_at_its_start() -> None:
    lone = LoneNode()
    lone.write(*(Put(b"k%d" % number, b"x" * 500) for number in range(50)))
    (digest,) = _read(lone, HashState())
    assert isinstance(digest, HashReply)
    loader, number, count, last = SnapshotLoader(), 0, 0, False
    while not last:
        (part,) = _read(lone, SnapshotNext(number, count), serializable=True)
        assert isinstance(part, SnapshotPartReply)
        number, last = part.snapshot, part.last
        again = _read(lone, SnapshotNext(number, count), serializable=True)
        assert again == (part,), "a lost answer may be asked for again"
        loader.feed(part.chunk)
        lone.write(Put(b"later%d" % count))
        count += 1
    assert count > 1
    assert loader.finish().digest() == digest.digest


def test_a_snapshot_part_out_of_order_or_of_nobody_is_refused() -> None:
    lone = LoneNode()
    (first,) = _read(lone, SnapshotNext(), serializable=True)
    assert isinstance(first, SnapshotPartReply)
    (skipped,) = _read(lone, SnapshotNext(first.snapshot, 5), serializable=True)
    (unknown,) = _read(lone, SnapshotNext(999), serializable=True)
    assert _code(skipped) == ErrorCode.INVALID_OPTION
    assert _code(unknown) == ErrorCode.KEY_NOT_FOUND


def test_a_full_disk_stops_growth_and_is_lifted_by_itself_when_there_is_room_again() -> None:
    lone = LoneNode(disk_reserve_bytes=1000)
    lone.write(Put(b"a"))
    lone.storage.free = 500
    lone.pass_ms(1500)
    assert _code(lone.write(Put(b"b"))[0]) == ErrorCode.NO_SPACE
    (status,) = _read(lone, Status())
    assert isinstance(status, StatusReply)
    assert status.alarms
    lone.storage.free = 5000
    lone.pass_ms(2500)
    assert isinstance(lone.write(Put(b"b"))[0], PutReply)


def test_the_bytes_of_a_valid_frame_stand_in_the_log_as_they_came() -> None:
    lone = LoneNode()
    frame = client_frames.encode(WriteFrame(WRITER, 1, 1, (Put(b"a", b"needle"),)))
    written: list[bytes] = []
    keep = lone.storage.write

    def spy(write: object) -> None:
        written.extend(entry.payload for entry in write.entries)  # type: ignore[attr-defined]
        keep(write)  # type: ignore[arg-type]

    lone.storage.write = spy  # type: ignore[method-assign]
    lone.send(frame)
    assert any(frame in payload for payload in written)


def test_reads_that_are_too_large_together_are_answered_as_far_as_one_message_goes() -> None:
    lone = LoneNode(reply_bytes_max=1000)
    lone.write(Put(b"k", b"v" * 400))
    replies = _read(lone, *[Range(b"k", b"l")] * 3, Range(b"k"))
    assert [type(reply) for reply in replies[:2]] == [RangeReply, RangeReply]
    assert [_code(reply) for reply in replies[2:]] == [ErrorCode.REPLY_TOO_LARGE] * 2


def test_one_turn_reads_only_for_so_long_and_the_rest_is_told_to_come_again() -> None:
    lone = LoneNode()
    read = lone.node.store.read

    def read_slowly(op: ReadOp) -> Reply:
        lone.clock.advance(150.0)
        return read(op)

    lone.node.store.read = read_slowly  # type: ignore[method-assign]
    slow = Range(b"k", b"l", min_mod_revision=1)
    replies = _read(lone, slow, slow, slow, Range(b"k"), serializable=True)
    assert [type(reply) for reply in replies] == [RangeReply, RangeReply, ErrorReply, RangeReply]
    assert _code(replies[2]) == ErrorCode.TOO_MANY_REQUESTS
    assert type(_read(lone, slow, serializable=True)[0]) is RangeReply  # a new turn


def test_no_more_reads_wait_for_a_leader_than_memory_is_set_aside_for() -> None:
    lone = LoneNode(reads_waiting_max=5)
    frames = [ReadFrame(number, False, (Range(b"k"),) * 3) for number in range(3)]
    lone.clients.arrived += [(b"route", client_frames.encode(frame)) for frame in frames]
    lone.settle()
    told = {type(frame): frame for frame in lone.clients.take(b"route")}
    rejected = told[ReadRejected]
    assert isinstance(rejected, ReadRejected)
    assert (rejected.request, rejected.code) == (2, ErrorCode.TOO_MANY_REQUESTS)
    assert len(_read(lone, Range(b"k"))) == 1  # those before were answered, so there is room


def test_the_full_disk_of_a_dead_member_holds_up_the_others_for_a_minute_only() -> None:
    lone = LoneNode()
    lone.node._writes.take_internal(internal_frame(SetAlarm(2, True)))
    lone.settle()
    assert _code(lone.write(Put(b"k"))[0]) == ErrorCode.NO_SPACE
    lone.pass_ms(limits.ALARM_SILENCE_MS + 3_000)
    assert isinstance(lone.write(Put(b"k"))[0], PutReply)
