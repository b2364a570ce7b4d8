"""Section 5 of the Raft paper, sentence by sentence, on groups of cores."""

import random

import pytest

from coord.raft.core import RaftCore
from coord.raft.messages import (
    Append,
    AppendReply,
    HardState,
    Heartbeat,
    Membership,
    PreVoteReply,
    Received,
    Role,
    SnapshotMeta,
    Tick,
    Vote,
    VoteReply,
    Written,
)
from coord.raft.settings import Restored
from coord.testing.cores import CoreGroup
from coord.testing.lone_core import (
    CLUSTER,
    ELECTION_TICKS,
    HEARTBEAT_TICKS,
    LoneCore,
    entries_of,
    lone_settings,
)

# --- 5.1: terms ---------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [Role.FOLLOWER, Role.CANDIDATE, Role.LEADER])
def test_5_1_a_server_with_a_smaller_term_takes_the_larger_and_follows(role: Role) -> None:
    lone = LoneCore(term=2)
    if role is Role.CANDIDATE:
        lone.stand()
    elif role is Role.LEADER:
        lone.lead()
    lone.receive(Append, 0, 0, 0, term=9)
    assert (lone.core.role, lone.core.term, lone.core.leader) == (Role.FOLLOWER, 9, 2)


def test_5_1_a_request_with_a_stale_term_is_rejected() -> None:
    lone = LoneCore(term=5)
    effects = lone.receive(Append, 0, 0, 0, entries_of([3]), term=3)
    assert [type(message) for message in effects.messages] == [AppendReply]
    assert (lone.core.last_index, lone.core.leader) == (0, 0)


# --- 5.2: elections -----------------------------------------------------------------------------


def test_5_2_servers_start_up_as_followers() -> None:
    assert LoneCore().core.role is Role.FOLLOWER


def test_5_2_a_leader_sends_periodic_heartbeats_to_all() -> None:
    lone = LoneCore()
    lone.lead()
    sent = [m for m in lone.tick(3 * HEARTBEAT_TICKS) if isinstance(m, Heartbeat)]
    assert [m.to for m in sent] == [2, 3] * 3


def test_5_2_a_candidate_increments_its_term_votes_for_itself_and_asks_all_others() -> None:
    lone = LoneCore(term=4)
    lone.tick(ELECTION_TICKS)
    lone.receive(PreVoteReply, True, term=5)
    assert lone.effects.write is not None
    assert lone.effects.write.hard_state == HardState(5, 1, 0)
    assert lone.write().messages == (Vote(CLUSTER, 2, 1, 5, 0, 0), Vote(CLUSTER, 3, 1, 5, 0, 0))


@pytest.mark.parametrize(
    ("size", "granted", "role"),
    [
        (3, 0, Role.CANDIDATE),
        (3, 1, Role.LEADER),
        (5, 1, Role.CANDIDATE),
        (5, 2, Role.LEADER),
        (4, 1, Role.CANDIDATE),
        (4, 2, Role.LEADER),
    ],
)
def test_5_2_a_majority_of_the_full_cluster_elects(size: int, granted: int, role: Role) -> None:
    lone = LoneCore(tuple(range(1, size + 1)))
    lone.stand()
    for sender in range(2, 2 + granted):
        lone.receive(VoteReply, True, sender=sender)
    assert lone.core.role is role


def test_5_2_votes_are_first_come_first_served() -> None:
    lone = LoneCore()
    for sender in (2, 3):
        lone.receive(Vote, 0, 0, sender=sender, term=1)
    assert lone.write().messages == (
        VoteReply(CLUSTER, 2, 1, 1, True),
        VoteReply(CLUSTER, 3, 1, 1, False),
    )


def test_5_2_timeouts_are_spread_so_that_split_votes_are_rare() -> None:
    luck = random.Random(5)
    meta = SnapshotMeta(0, 0, Membership((1, 2, 3, 4, 5)))
    equal = 0
    for _ in range(300):
        timeouts = []
        for _ in range(5):
            core = RaftCore(lone_settings(), Restored(HardState(), meta), luck.randint)
            ticks = 0
            while core.role is Role.FOLLOWER:
                core.step(Tick())
                ticks += 1
            timeouts.append(ticks)
        assert ELECTION_TICKS <= min(timeouts) <= max(timeouts) < 2 * ELECTION_TICKS
        first, second = sorted(timeouts)[:2]
        equal += first == second
    assert equal < 150  # with ten places for five draws, most elections have one first


# --- 5.3: replication ---------------------------------------------------------------------------


def test_5_3_an_entry_is_committed_once_a_majority_holds_it_and_then_applied_by_all() -> None:
    group = CoreGroup(5)
    group.elect(1)
    group.isolate(4, 5)
    group.propose(1, b"x")
    group.settle()
    assert group.checks.log[-1].payload == b"x"
    group.heal()
    group.run(30)
    group.check_converged()


def test_5_3_committing_an_entry_commits_all_before_it() -> None:
    lone = LoneCore(log=[1, 1, 1], term=1)
    lone.lead()
    lone.write()
    effects = lone.receive(AppendReply, 3, 4)
    assert [entry.index for entry in effects.committed] == [1, 2, 3, 4]


def test_5_3_a_follower_refuses_entries_whose_predecessor_it_lacks() -> None:
    lone = LoneCore(log=[1], term=2)
    effects = lone.receive(Append, 2, 2, 0, entries_of([2], 3))
    assert effects.write is None
    (reply,) = effects.messages
    assert isinstance(reply, AppendReply)
    assert reply.rejected


FIGURE_7 = {
    "leader": [1, 1, 1, 4, 4, 5, 5, 6, 6, 6],
    "a": [1, 1, 1, 4, 4, 5, 5, 6, 6],
    "b": [1, 1, 1, 4],
    "c": [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6],
    "d": [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7],
    "e": [1, 1, 1, 4, 4, 4, 4],
    "f": [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3],
}


@pytest.mark.parametrize("name", list("abcdef"))
def test_5_3_figure_7_every_follower_is_brought_to_the_leaders_log(name: str) -> None:
    meta = SnapshotMeta(0, 0, Membership((1, 2, 3)))
    leader, follower = (
        RaftCore(
            lone_settings(node),
            Restored(HardState(7, 0, 0), meta, entries_of(FIGURE_7[which])),
            lambda low, _high: low,
        )
        for node, which in ((1, "leader"), (2, name))
    )
    bring_together(leader, follower)
    assert follower.last_index == leader.last_index
    for index in range(1, leader.last_index + 1):
        assert follower._state.log.entry(index) == leader._state.log.entry(index)


def bring_together(leader: RaftCore, follower: RaftCore) -> None:
    """Elect `leader` with the help of a third vote, and let it feed `follower`."""
    for _ in range(2 * ELECTION_TICKS):
        leader.step(Tick())
    leader.step(Received(PreVoteReply(CLUSTER, 1, 3, 8, True)))
    leader.step(Written(1))
    leader.step(Received(VoteReply(CLUSTER, 1, 3, 8, True)))
    wire = [m for m in leader.step(Tick()).messages if m.to == 2]
    for _ in range(3 * HEARTBEAT_TICKS):
        wire += [m for m in leader.step(Tick()).messages if m.to == 2]
    while wire:
        answers = list(follower.step(Received(wire.pop(0))).messages)
        answers += follower.step(Written(follower._state.promises.issued)).messages
        for answer in answers:
            wire += [m for m in leader.step(Received(answer)).messages if m.to == 2]


# --- 5.4: safety --------------------------------------------------------------------------------


def test_5_4_1_a_candidate_whose_log_is_behind_a_majority_cannot_win() -> None:
    group = CoreGroup(3)
    group.elect(1)
    group.isolate(3)
    group.propose(1, b"x")
    group.settle()
    group.heal()
    group.cut.update({(1, 2), (2, 1), (1, 3), (3, 1)})
    for _ in range(10):
        group.tick(3, 2 * group._settings(3).election_ticks)
        group.settle()
    assert not group.cores[3].is_leader
    group.run(100)
    assert group.cores[2].is_leader


def test_5_4_2_figure_8_a_leader_commits_older_entries_only_with_its_own() -> None:
    lone = LoneCore((1, 2, 3, 4, 5), log=[1, 2], term=3, append_bytes_max=1)
    lone.lead()
    lone.write()
    for sender in (2, 3):
        lone.receive(AppendReply, 2, 0, True, 1, 1, sender=sender)
        lone.receive(AppendReply, 1, 2, sender=sender)
    assert lone.core.commit == 0  # (c): index 2 is on a majority and could still be overwritten
    for sender in (2, 3):
        lone.receive(AppendReply, 2, 3, sender=sender)
    assert lone.core.commit == 3  # (e)


# --- 5.5: crashes -------------------------------------------------------------------------------


def test_5_5_requests_are_idempotent() -> None:
    group = CoreGroup(3)
    group.elect(1)
    group.propose(1, b"x")
    for place in range(len(group.network)):
        group.deliver(place, again=True)
    group.settle()
    assert [entry.payload for entry in group.checks.log] == [b"", b"x"]
    group.run(10)
    group.check_converged()


# --- 5.6: timing --------------------------------------------------------------------------------


def test_5_6_with_timeouts_above_the_broadcast_time_leaders_are_steady() -> None:
    group = CoreGroup(5, draw=random.Random(2).randint)
    group.run(400)
    (leader,) = group.leaders
    term = group.cores[leader].term
    group.run(1000)
    assert group.leaders == [leader]
    assert group.cores[leader].term == term
