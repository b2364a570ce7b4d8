"""What Raft implementations got wrong about the log and commits, each kept from coming back."""

from coord.ids import LogIndex
from coord.raft.messages import (
    Append,
    AppendReply,
    Compacted,
    Heartbeat,
    Propose,
    Received,
)
from coord.testing.cores import CoreGroup
from coord.testing.lone_core import CLUSTER, ELECTION_TICKS, LoneCore, entries_of, lone_settings


def group_of(size: int) -> CoreGroup:
    return CoreGroup(size, settings=lambda node: lone_settings(node))


def test_12_a_new_leader_commits_what_was_left_without_any_client() -> None:
    group = group_of(3)
    group.elect(1)
    group.propose(1, b"x")
    group.deliver()
    group.finish_job(2)
    group.crash(1)
    group.network.clear()
    group.run(5 * ELECTION_TICKS, nodes=(2, 3))
    assert [entry.payload for entry in group.checks.log if entry.payload] == [b"x"]


def test_14_a_shorter_append_that_was_delayed_does_not_shorten_the_log() -> None:
    group = group_of(3)
    group.elect(1)
    group.propose(1, b"a")
    late = next(message for message in group.network if message.to == 2)
    group.propose(1, b"b")
    group.propose(1, b"c")
    group.settle()
    last = group.cores[2].last_index
    group.step(2, Received(late))
    group.settle()
    assert group.cores[2].last_index == last
    group.check_converged()


def test_15_a_predecessor_before_the_base_is_not_a_conflict() -> None:
    lone = LoneCore(log=[1, 1, 1, 1], term=1, commit=4)
    lone.tick()
    lone.step(Compacted(LogIndex(3)))
    effects = lone.receive(Append, 1, 1, 4, entries_of([1, 1, 1, 1], 2))
    assert effects.write is not None
    assert [entry.index for entry in effects.write.entries] == [5]


def test_16_a_stale_suffix_is_not_committed_by_a_heartbeat_or_an_empty_append() -> None:
    # 2..3 are an old leader's; the new one has other entries there and has committed them.
    lone = LoneCore(log=[1, 1, 1], term=3)
    lone.receive(Heartbeat, 0, 0)
    lone.receive(Append, 1, 1, 3)
    assert lone.core.commit == 1


def test_17_commit_and_match_never_move_back_whatever_order_answers_come_in() -> None:
    lone = LoneCore()
    lone.lead()
    for payload in (b"a", b"b", b"c"):
        lone.step(Propose((payload,)))
    lone.write()
    for match in (4, 2, 3, 1):
        lone.receive(AppendReply, match - 1, match)
    lone.receive(AppendReply, 2, 0, True, 1, 1)
    assert lone.core.commit == 4
    assert lone.core.followers[0].match == 4
    effects = lone.receive(Heartbeat, 0, 0, sender=3, term=9)
    assert effects.committed == ()
    assert lone.core.commit == 4


def test_18_a_leader_that_asks_to_change_what_is_committed_is_not_obeyed() -> None:
    lone = LoneCore(log=[1, 1, 1], term=2, commit=3)
    lone.receive(Append, 1, 1, 0, entries_of([2], 2))
    assert (lone.core.refused, lone.core.last_index, lone.core.commit) == (1, 3, 3)


def test_19_every_message_twice_and_late_gives_the_same_end() -> None:
    group = group_of(3)
    group.elect(1)
    kept = []
    for number in range(6):
        group.propose(1, b"%d" % number)
        kept += list(group.network)
        group.settle()
    for message in reversed(kept):
        group.step(message.to, Received(message))
    group.settle()
    group.run(10)
    assert [entry.payload for entry in group.checks.log if entry.payload] == [
        b"%d" % number for number in range(6)
    ]
    group.check_converged()


def test_20_a_single_node_commits_nothing_that_a_crash_would_lose() -> None:
    group = group_of(1)
    group.elect(1)
    group.propose(1, b"x")
    assert group.checks.log[-1].payload == b""
    group.crash(1)
    group.restart(1)
    group.elect(1)
    assert b"x" not in [entry.payload for entry in group.checks.log]


def test_20_an_old_ticket_never_acknowledges_entries_that_replaced_its_own() -> None:
    lone = LoneCore(log=[1], term=1)
    lone.receive(Append, 1, 1, 0, entries_of([1, 1], 2))
    old = lone.ticket
    lone.receive(Append, 1, 1, 0, entries_of([2, 2], 2), sender=3, term=2)
    assert lone.write(old).messages == ()
    assert lone.core.durable_index == 1
    assert lone.write().messages == (AppendReply(CLUSTER, 3, 1, 2, 1, 3),)


def test_21_a_read_through_an_overwritten_suffix_sees_the_new_one() -> None:
    lone = LoneCore(log=[1, 1, 1], term=1)
    lone.receive(Append, 1, 1, 3, entries_of([2, 2], 2), term=2)
    assert [entry.term for entry in lone.effects.committed] == [1, 2, 2]


def test_22_a_dead_follower_costs_no_memory_and_load_is_refused_in_the_end() -> None:
    lone = LoneCore(uncommitted_bytes_max=1000)
    lone.lead()
    lone.write()
    taken = 0
    for _ in range(100):
        proposed = lone.step(Propose((b"x" * 100,))).proposed
        assert proposed is not None
        taken += proposed.first_index > 0
    assert taken == 10
    assert all(len(progress.window) <= 1 for progress in lone.core.followers)


def test_23_a_new_node_at_an_old_address_drops_what_was_meant_for_the_old_one() -> None:
    lone = LoneCore()
    message = Heartbeat(CLUSTER, 9, 2, 5, 0, 0)
    assert lone.step(Received(message)).messages == ()
    assert (lone.core.refused, lone.core.term) == (1, 0)


def test_35_a_node_that_lost_its_disk_is_not_taken_for_the_one_that_had_it() -> None:
    group = group_of(3)
    group.elect(1)
    group.propose(1, b"x")
    group.settle()
    group.run(3)
    lone = LoneCore()  # node 1's twin with an empty disk, told what the leader knew of it
    lone.receive(Heartbeat, 2, 0, term=1)
    assert lone.core.refused == 1
    assert lone.effects.messages == ()


def test_34_a_node_never_stands_by_a_list_it_is_not_in_once_that_is_committed() -> None:
    lone = LoneCore((2, 3), log=[1], term=1, commit=1)
    assert lone.tick(10 * ELECTION_TICKS) == []
