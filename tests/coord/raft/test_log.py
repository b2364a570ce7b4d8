"""The log in memory, held against plain lists; its watermarks; the ABA of tickets."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coord.raft.log import NO_TERM, Log
from coord.testing.lone_core import entries_of


def make(*terms: int, base: int = 0, base_term: int = 0) -> Log:
    return Log(base, base_term, entries_of(terms, base + 1))


def test_terms_are_known_at_the_base_and_in_the_log_and_nowhere_else() -> None:
    log = make(2, 3, base=5, base_term=1)
    assert [log.term_at(index) for index in range(4, 9)] == [NO_TERM, 1, 2, 3, NO_TERM]
    assert (log.last_index, log.last_term, log.durable, log.commit) == (7, 3, 7, 5)
    assert Log(5, 4, ()).last_term == 4


def test_a_gap_between_base_and_entries_is_impossible() -> None:
    with pytest.raises(AssertionError, match="no gaps"):
        Log(3, 1, entries_of([1], first=5))


def test_committed_entries_are_never_cut() -> None:
    log = make(1, 1, 2)
    log.commit_to(2)
    log.truncate_after(2)
    with pytest.raises(AssertionError, match="never cut"):
        log.truncate_after(1)
    assert log.last_index == 2


def test_commit_never_moves_back_nor_past_the_end() -> None:
    log = make(1, 1)
    log.commit_to(1)
    with pytest.raises(AssertionError):
        log.commit_to(0)
    with pytest.raises(AssertionError):
        log.commit_to(3)


def test_an_old_ticket_does_not_make_overwritten_entries_count_as_durable() -> None:
    log = make(1)
    log.append(entries_of([1, 1], first=2))
    log.begin_write(1)
    log.truncate_after(1)
    log.append(entries_of([2, 2], first=2))
    log.begin_write(2)
    log.end_write(1)
    assert log.durable == 1  # ticket 1 carried entries that no longer stand
    assert log.is_writing
    log.end_write(2)
    assert log.durable == 3
    assert not log.is_writing


def test_overwriting_twice_needs_the_last_ticket() -> None:
    log = make(1)
    for ticket, term in enumerate((1, 2, 1 + 2), 1):
        log.truncate_after(1)
        log.append(entries_of([term, term], first=2))
        log.begin_write(ticket)
    log.end_write(2)
    assert log.durable == 1
    log.end_write(3)
    assert log.durable == 3


def test_one_report_can_end_many_writes() -> None:
    log = make()
    for ticket in (1, 2, 3):
        log.append(entries_of([1], first=ticket))
        log.begin_write(ticket)
    log.end_write(2)
    assert log.durable == 2
    log.end_write(9)
    assert log.durable == 3


def test_cutting_the_durable_part_lowers_the_watermark() -> None:
    log = make(1, 1, 1)
    log.truncate_after(1)
    assert log.durable == 1


def test_only_committed_entries_are_compacted() -> None:
    log = make(1, 2, 3)
    log.commit_to(2)
    log.compact(2)
    assert (log.base_index, log.base_term) == (2, 2)
    log.compact(1)
    assert log.base_index == 2
    with pytest.raises(AssertionError, match="committed"):
        log.compact(3)


def test_an_installed_snapshot_replaces_everything_and_voids_writes_under_way() -> None:
    log = make(1, 1, 1)
    log.append(entries_of([1], first=4))
    log.begin_write(1)
    log.restart_at(9, 5)
    log.end_write(1)
    assert (log.base_index, log.last_index, log.durable, log.commit) == (9, 9, 9, 9)
    assert log.last_term == 5
    log.append(entries_of([5] * 4, first=10))
    log.begin_write(2)
    log.restart_at(11, 5)
    log.append(entries_of([6] * 4, first=12))
    log.end_write(2)
    assert log.durable == 11
    with pytest.raises(AssertionError, match="takes back"):
        log.restart_at(11, 5)


def test_a_batch_has_at_least_one_entry_and_keeps_to_its_bytes() -> None:
    log = make(1, 1, 1, 1)  # three payload bytes and 16 of overhead each
    assert len(log.batch(1, 1)[0]) == 1
    entries, size_bytes = log.batch(2, 2 * 19)
    assert [entry.index for entry in entries] == [2, 3]
    assert size_bytes == 38
    assert len(log.batch(1, 10_000)[0]) == 4


def test_payload_bytes_are_counted_over_a_range() -> None:
    log = make(1, 1, 1)
    assert log.payload_bytes(2, 2) == 3
    assert log.payload_bytes(1, 3) == 9


@given(
    st.lists(st.integers(1, 6), max_size=12).map(sorted),
    st.integers(0, 5),
    st.integers(0, 20),
    st.integers(0, 7),
)
@settings(deadline=None)
def test_the_place_to_probe_is_the_last_one_that_may_agree(
    terms: list[int], base: int, index: int, term: int
) -> None:
    log = make(*terms, base=base, base_term=terms[0] if terms and base else 0)
    wanted = min(index, log.last_index)
    if wanted >= base:
        may_agree = [i for i in range(base, wanted + 1) if log.term_at(i) <= term]
        wanted = max(may_agree, default=base - 1)
    assert log.last_with_term_at_most(index, term) == wanted


@given(st.data())
@settings(deadline=None)
def test_any_sequence_of_changes_leaves_what_a_list_would_hold(data: st.DataObject) -> None:
    log = make()
    twin: list[int] = []  # terms; twin[i] is index i + 1
    compacted = commit = 0
    term = 1
    for _ in range(data.draw(st.integers(1, 30))):
        action = data.draw(st.sampled_from(["append", "cut", "commit", "compact"]))
        if action == "append":
            term += data.draw(st.integers(0, 1))
            count = data.draw(st.integers(1, 40))
            log.append(entries_of([term] * count, first=len(twin) + 1))
            twin += [term] * count
        elif action == "cut":
            keep = data.draw(st.integers(commit, len(twin)))
            log.truncate_after(keep)
            del twin[keep:]
        elif action == "commit":
            commit = data.draw(st.integers(commit, len(twin)))
            log.commit_to(commit)
        else:
            compacted = data.draw(st.integers(compacted, commit))
            log.compact(compacted)
    assert log.last_index == len(twin)
    assert log.base_index == compacted
    assert log.base_term == (twin[compacted - 1] if compacted else 0)
    kept = log.between(compacted + 1, len(twin))
    assert [entry.term for entry in kept] == twin[compacted:]
    assert [entry.index for entry in kept] == list(range(compacted + 1, len(twin) + 1))
    assert all(log.entry(entry.index) is entry for entry in kept)
