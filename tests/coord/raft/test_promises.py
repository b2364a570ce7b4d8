"""Messages wait for the write that makes them true, and cannot pile up behind a stalled disk."""

import pytest

from coord.raft.messages import AppendReply, HeartbeatReply, VoteReply
from coord.raft.promises import Promises


def ack(match: int, to: int = 2, term: int = 1) -> AppendReply:
    return AppendReply(7, to, 1, term, 0, match)


def rejection(prev: int, to: int = 2) -> AppendReply:
    return AppendReply(7, to, 1, 1, prev, 0, True)


def test_a_message_leaves_with_its_ticket_and_not_before() -> None:
    promises = Promises()
    first, second = promises.issue(True, False), promises.issue(False, True)
    promises.hold(VoteReply(7, 2, 1, 1, True), first)
    promises.hold(ack(3), second)
    assert promises.hard_ticket > promises.written
    assert promises.end_write(first, 1) == [VoteReply(7, 2, 1, 1, True)]
    assert promises.is_hard_durable
    assert promises.end_write(second, 1) == [ack(3)]
    assert promises.end_write(second, 1) == []


def test_a_later_report_covers_the_tickets_before_it() -> None:
    promises = Promises()
    tickets = [promises.issue(False, True) for _ in range(3)]
    for match, ticket in enumerate(tickets, 1):
        promises.hold(ack(match), ticket)
    assert promises.end_write(tickets[-1], 1) == [ack(3)]  # one that says it all


def test_acknowledgements_of_different_tickets_do_not_wait_for_each_other() -> None:
    promises = Promises()
    first, second = promises.issue(False, True), promises.issue(False, True)
    promises.hold(ack(1), first)
    promises.hold(ack(2), second)
    assert promises.end_write(first, 1) == [ack(1)]


def test_an_acknowledgement_that_says_less_does_not_displace_one_that_says_more() -> None:
    promises = Promises()
    ticket = promises.issue(False, True)
    promises.hold(ack(5), ticket)
    promises.hold(ack(4), ticket)
    assert promises.end_write(ticket, 1) == [ack(5)]
    promises.hold(ack(5, term=1), ticket)
    promises.hold(ack(4, term=2), ticket)
    assert promises.end_write(ticket, 2) == [ack(4, term=2)]


def test_of_two_acknowledgements_released_together_the_larger_is_sent() -> None:
    promises = Promises()
    first, second = promises.issue(False, True), promises.issue(False, True)
    promises.hold(ack(5), first)
    promises.hold(ack(4), second)
    assert promises.end_write(second, 1) == [ack(5)]


def test_acknowledgements_to_two_leaders_are_both_sent() -> None:
    promises = Promises()
    ticket = promises.issue(False, True)
    promises.hold(ack(4, to=2), ticket)
    promises.hold(ack(4, to=3), ticket)
    assert promises.end_write(ticket, 1) == [ack(4, to=2), ack(4, to=3)]


def test_messages_of_an_older_term_are_dropped() -> None:
    promises = Promises()
    ticket = promises.issue(True, True)
    promises.hold(ack(4, term=1), ticket)
    promises.hold(ack(4, term=2), ticket)
    assert promises.end_write(ticket, 2) == [ack(4, term=2)]


def test_a_stalled_disk_keeps_at_most_one_message_of_a_kind_for_each_receiver() -> None:
    promises = Promises()
    ticket = promises.issue(True, True)
    for number in range(1000):
        promises.hold(HeartbeatReply(7, 2, 1, 1, number), ticket)
        promises.hold(rejection(number), ticket)
        promises.hold(ack(number), ticket)
    released = promises.end_write(ticket, 1)
    assert released == [HeartbeatReply(7, 2, 1, 1, 999), rejection(999), ack(999)]


def test_a_report_of_a_write_never_asked_for_is_impossible() -> None:
    with pytest.raises(AssertionError, match="never asked"):
        Promises().end_write(1, 0)
