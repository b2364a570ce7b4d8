"""A follower in the leader's eyes: the state table, the window, what only ever grows."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coord.raft.messages import Membership, SnapshotMeta
from coord.raft.progress import (
    TRANSITIONS,
    Progress,
    ProgressEvent,
    ProgressState,
    Shipment,
    Window,
)


def make(next_index: int = 5) -> Progress:
    return Progress(2, next_index, Window(4, 100))


@pytest.mark.parametrize(("state", "event"), list(product(ProgressState, ProgressEvent)))
def test_every_pair_of_the_table_is_taken_and_every_other_is_impossible(
    state: ProgressState, event: ProgressEvent
) -> None:
    progress = make()
    progress.state = state
    if (state, event) in TRANSITIONS:
        progress.change(event)
        assert progress.state is TRANSITIONS[state, event]
    else:
        with pytest.raises(KeyError):
            progress.change(event)


def test_a_new_state_starts_with_an_empty_window_and_no_shipment() -> None:
    progress = make()
    progress.change(ProgressEvent.ACCEPTED)
    progress.window.add(5, 10)
    progress.change(ProgressEvent.COMPACTED)
    progress.shipment = Shipment(SnapshotMeta(1, 1, Membership((1,))), 10)
    assert len(progress.window) == 0
    progress.change(ProgressEvent.ABANDONED)
    assert progress.shipment is None


def test_the_window_is_full_by_messages_or_by_bytes() -> None:
    window = Window(2, 100)
    window.add(1, 10)
    seen = [window.is_full]
    window.add(2, 10)
    seen.append(window.is_full)
    window.free_to(1)
    assert (len(window), window.size_bytes) == (1, 10)
    seen.append(window.is_full)
    window.add(3, 90)
    window.free_to(2)
    seen.append(window.is_full)
    window.add(4, 10)
    seen.append(window.is_full)
    assert seen == [False, True, False, False, True]
    window.clear()
    assert (len(window), window.size_bytes) == (0, 0)


def test_a_late_acknowledgement_is_no_news() -> None:
    progress = make()
    assert progress.accept(4)
    assert not progress.accept(3)
    assert not progress.accept(4)
    assert (progress.match, progress.next) == (4, 5)


def test_a_rejection_of_an_older_probe_is_ignored() -> None:
    progress = make(next_index=10)
    assert not progress.reject(prev_index=7, probe_index=3)
    assert progress.next == 10
    assert progress.reject(prev_index=9, probe_index=3)
    assert progress.next == 4


def test_a_rejection_of_what_is_known_to_match_is_stale() -> None:
    progress = make()
    progress.accept(8)
    progress.change(ProgressEvent.ACCEPTED)
    assert not progress.reject(prev_index=8, probe_index=2)
    assert progress.next == 9
    progress.next = 20
    assert progress.reject(prev_index=12, probe_index=2)
    assert progress.state is ProgressState.PROBE
    assert progress.next == 9  # never back before what is known to match


def test_a_rejection_does_not_disturb_a_snapshot() -> None:
    progress = make()
    progress.change(ProgressEvent.COMPACTED)
    assert not progress.reject(prev_index=4, probe_index=0)
    assert progress.state is ProgressState.SNAPSHOT


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 20), st.integers(0, 20)), max_size=40))
@settings(deadline=None)
def test_match_only_grows_and_stays_below_next_whatever_arrives(
    answers: list[tuple[bool, int, int]],
) -> None:
    progress = make(next_index=15)
    for accepted, index, probe in answers:
        match = progress.match
        if accepted:
            progress.accept(index)
            progress.change(ProgressEvent.ACCEPTED)
        else:
            progress.reject(index, probe)
        assert match <= progress.match < progress.next
