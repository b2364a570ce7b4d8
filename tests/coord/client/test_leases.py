"""Leases against a scripted node: when they are renewed, and when they count as lost."""

import attrs

from coord.errors import ErrorCode
from coord.frames import WriteFrame
from coord.requests import ErrorReply, LeaseKeepAlive, LeaseKeepAliveReply, Put, Reply
from coord.testing.client_script import Bench

A, B = "tcp://a:1", "tcp://b:1"
TTL_MS = 3_000


@attrs.define
class Loss:
    """When a lease was told lost."""

    bench: Bench
    at_ms: float = 0.0

    def __call__(self) -> None:
        assert self.at_ms == 0.0, "told once"
        self.at_ms = self.bench.now_ms


def keeping(*leases: int) -> tuple[Bench, list[Loss]]:
    """A bench that keeps leases granted just now."""
    bench = Bench(A, B)
    bench.ready(A, B)
    bench.write(Put(b"k"))
    bench.open_writer()
    ((_, frame),) = bench.writes()
    bench.acknowledge(A, frame)
    losses = []
    for lease in leases:
        losses.append(Loss(bench))
        bench.core.keep(lease, TTL_MS, bench.now_ms, losses[-1])
    return bench, losses


def renewals(bench: Bench) -> list[tuple[str, WriteFrame]]:
    """What was sent, all of it keep-alives."""
    sent = bench.writes()
    assert all(isinstance(op, LeaseKeepAlive) for _, frame in sent for op in frame.ops)
    return sent


def answer(bench: Bench, frame: WriteFrame, ttl_ms: int = TTL_MS) -> None:
    replies: list[Reply] = []
    for op in frame.ops:
        assert isinstance(op, LeaseKeepAlive)
        replies.append(LeaseKeepAliveReply(op.lease, ttl_ms))
    bench.acknowledge(A, frame, *replies)


def test_a_lease_is_renewed_at_a_third_of_its_time() -> None:
    bench, _ = keeping(7)
    bench.pass_ms(TTL_MS / 3 - 1)
    assert renewals(bench) == []
    bench.pass_ms(1)
    ((_, frame),) = renewals(bench)
    assert frame.ops == (LeaseKeepAlive(7),)


def test_leases_due_together_share_one_frame() -> None:
    bench, _ = keeping(*range(1, 101))
    bench.pass_ms(TTL_MS / 3)
    ((_, frame),) = renewals(bench)
    assert len(frame.ops) == 100


def test_a_lease_due_a_little_later_goes_along() -> None:
    bench, losses = keeping(1)
    bench.pass_ms(100)
    bench.core.keep(2, TTL_MS, bench.now_ms, losses[0])
    bench.pass_ms(TTL_MS / 3 - 100)
    ((_, frame),) = renewals(bench)
    assert frame.ops == (LeaseKeepAlive(1), LeaseKeepAlive(2))


def test_a_kept_lease_goes_on_for_as_long_as_it_is_renewed() -> None:
    bench, (loss,) = keeping(7)
    count = 0
    for _ in range(200):
        for _, frame in renewals(bench):
            count += 1
            answer(bench, frame)
        bench.pass_ms(100)
    assert loss.at_ms == 0.0
    assert 17 <= count <= 21


def test_the_cluster_saying_it_is_gone_is_told_at_once() -> None:
    bench, (loss,) = keeping(7)
    bench.pass_ms(TTL_MS / 3)
    ((_, frame),) = renewals(bench)
    answer(bench, frame, ttl_ms=0)
    assert loss.at_ms == bench.now_ms


def test_an_unknown_lease_is_told_at_once() -> None:
    bench, (loss,) = keeping(7)
    bench.pass_ms(TTL_MS / 3)
    ((_, frame),) = renewals(bench)
    bench.acknowledge(A, frame, ErrorReply(ErrorCode.LEASE_NOT_FOUND))
    assert loss.at_ms == bench.now_ms


def test_without_answers_it_is_lost_when_its_time_has_passed_since_it_was_granted() -> None:
    bench, (loss,) = keeping(7)
    granted_ms = bench.now_ms
    bench.pass_ms(2 * TTL_MS)
    assert granted_ms + TTL_MS <= loss.at_ms <= granted_ms + TTL_MS + 25


def test_the_time_counts_from_when_the_renewal_was_sent_not_from_its_answer() -> None:
    bench, (loss,) = keeping(7)
    bench.pass_ms(TTL_MS / 3)
    sent_ms = bench.now_ms
    ((_, frame),) = renewals(bench)
    bench.pass_ms(900)
    answer(bench, frame)
    bench.wire.linked.clear()
    bench.pass_ms(2 * TTL_MS)
    assert sent_ms + TTL_MS <= loss.at_ms <= sent_ms + TTL_MS + 25


def test_a_failed_renewal_is_tried_again_in_time() -> None:
    bench, (loss,) = keeping(7)
    bench.unlink(A)
    bench.unlink(B)
    bench.pass_ms(TTL_MS * 0.6)
    bench.ready(A, B)
    for _ in range(20):
        for _, frame in bench.writes():
            answer(bench, frame)
        bench.pass_ms(50)
    assert loss.at_ms == 0.0
    assert next(iter(bench.core.leases._kept.values())).ends_ms > bench.now_ms + TTL_MS / 2


def test_a_released_lease_is_neither_renewed_nor_lost() -> None:
    bench, (loss,) = keeping(7)
    bench.core.release(7)
    bench.pass_ms(2 * TTL_MS)
    assert renewals(bench) == []
    assert loss.at_ms == 0.0


def test_an_answer_after_the_release_changes_nothing() -> None:
    bench, (loss,) = keeping(7)
    bench.pass_ms(TTL_MS / 3)
    ((_, frame),) = renewals(bench)
    bench.core.release(7)
    answer(bench, frame, ttl_ms=0)
    assert loss.at_ms == 0.0


def test_without_leases_nothing_wakes_the_client() -> None:
    bench, _ = keeping()
    bench.pass_ms(100)
    assert bench.core.next_wake_ms(bench.now_ms) == float("inf")
