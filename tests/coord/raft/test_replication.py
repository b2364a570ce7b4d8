"""The stream to a follower: window, batches, probes, and mending what was lost."""

from coord.raft.messages import Append, AppendReply, HeartbeatReply, Message, Propose
from coord.raft.progress import ProgressState
from coord.testing.lone_core import HEARTBEAT_TICKS, LoneCore


def settled(**settings: int) -> LoneCore:
    lone = LoneCore((1, 2), **settings)  # type: ignore[arg-type]
    lone.lead()
    lone.write()
    lone.receive(AppendReply, 0, 1)
    return lone


def spans(messages: tuple[Message, ...] | list[Message]) -> list[tuple[int, int]]:
    """Prev index and number of entries of each Append."""
    return [(m.prev_index, len(m.entries)) for m in messages if isinstance(m, Append)]


def propose(lone: LoneCore, *payloads: bytes) -> list[tuple[int, int]]:
    return spans(lone.step(Propose(payloads)).messages)


def test_entries_stream_without_waiting_for_answers() -> None:
    lone = settled()
    assert [propose(lone, b"x") for _ in range(3)] == [[(1, 1)], [(2, 1)], [(3, 1)]]


def test_a_full_window_waits_and_then_sends_in_one_batch() -> None:
    lone = settled(append_inflight_max=2)
    assert propose(lone, b"a") == [(1, 1)]
    assert propose(lone, b"b") == [(2, 1)]
    assert propose(lone, b"c") == []
    assert propose(lone, b"d") == []
    assert spans(lone.receive(AppendReply, 1, 2).messages) == [(3, 2)]


def test_the_window_is_bounded_in_bytes_too() -> None:
    lone = settled(append_inflight_bytes_max=100)
    assert propose(lone, b"x" * 90) == [(1, 1)]
    assert propose(lone, b"y") == []
    assert spans(lone.receive(AppendReply, 1, 2).messages) == [(2, 1)]


def test_a_large_backlog_is_cut_into_messages_of_bounded_bytes() -> None:
    lone = settled(append_bytes_max=60)
    payloads = [b"x" * 10] * 5  # 26 bytes each with overhead: two fit
    assert propose(lone, *payloads) == [(1, 2), (3, 2), (5, 1)]


def test_an_entry_above_the_bound_travels_alone() -> None:
    lone = settled(append_bytes_max=20)
    assert propose(lone, b"x" * 500, b"y" * 500) == [(1, 1), (2, 1)]


def test_a_rejection_stops_the_stream_until_the_place_is_found() -> None:
    lone = settled()
    propose(lone, b"a")
    propose(lone, b"b")
    effects = lone.receive(AppendReply, 2, 0, True, 1, 1)  # the first was lost
    assert spans(effects.messages) == [(1, 2)]
    assert lone.core.followers[0].state is ProgressState.PROBE
    assert propose(lone, b"c") == []
    effects = lone.receive(AppendReply, 1, 3)
    assert spans(effects.messages) == [(3, 1)]


def test_further_rejections_of_the_same_burst_do_not_repeat_the_entries() -> None:
    lone = settled()
    for _ in range(5):
        propose(lone, b"x")
    assert spans(lone.receive(AppendReply, 2, 0, True, 1, 1).messages) == [(1, 5)]
    for prev in (3, 4, 5):
        assert spans(lone.receive(AppendReply, prev, 0, True, 1, 1).messages) == []


def test_a_hint_skips_whole_terms() -> None:
    lone = LoneCore((1, 2), log=[1, 1, 1, 4, 4, 4, 5], term=5)
    lone.lead()
    # The follower's log is 1 1 1 2 2 2 3: its hint for (7, 5) names its last entry of term <= 5.
    effects = lone.receive(AppendReply, 7, 0, True, 7, 3)
    assert spans(effects.messages) == [(3, 5)]


def test_nothing_is_asked_while_answers_come() -> None:
    lone = settled()
    propose(lone, b"a")
    lone.tick(HEARTBEAT_TICKS)  # the first entry was answered in this period
    assert spans(lone.receive(HeartbeatReply, 0).messages) == []


def test_a_lost_append_is_asked_about_once_in_a_quiet_period() -> None:
    lone = settled()
    lone.tick(HEARTBEAT_TICKS)
    propose(lone, b"a")  # lost
    lone.tick(HEARTBEAT_TICKS)
    assert spans(lone.receive(HeartbeatReply, 0).messages) == [(2, 0)]
    assert spans(lone.receive(HeartbeatReply, 0).messages) == []
    assert spans(lone.receive(AppendReply, 2, 0, True, 1, 1).messages) == [(1, 1)]


def test_lost_acknowledgements_are_made_up_for_by_the_same_question() -> None:
    lone = settled(append_inflight_max=1)
    lone.tick(HEARTBEAT_TICKS)
    propose(lone, b"a")
    propose(lone, b"b")  # the window is full; the acknowledgement of the first was lost
    lone.tick(HEARTBEAT_TICKS)
    assert spans(lone.receive(HeartbeatReply, 0).messages) == [(2, 0)]
    assert spans(lone.receive(AppendReply, 2, 2).messages) == [(2, 1)]


def test_a_silent_follower_costs_nothing_but_heartbeats() -> None:
    lone = LoneCore((1, 2, 3))
    lone.lead()
    lone.write()
    lone.receive(AppendReply, 0, 1, sender=2)
    for number in range(1, 200):
        effects = lone.step(Propose((b"x",)))
        lone.write()
        lone.receive(AppendReply, number, number + 1, sender=2)
        assert all(message.to != 3 for message in effects.messages)


def test_a_probe_without_an_answer_is_repeated_without_its_entries() -> None:
    lone = LoneCore((1, 2, 3))
    lone.lead()
    lone.tick(HEARTBEAT_TICKS)
    effects = lone.receive(HeartbeatReply, 0, sender=3)
    assert spans(effects.messages) == [(0, 0)]
    assert spans(lone.receive(AppendReply, 0, 0, sender=3).messages) == [(0, 1)]
