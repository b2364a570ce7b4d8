"""Snapshots in chunks: both sides, what is kept, what is thrown away, what is repeated."""

from coord.ids import LogIndex, NodeId
from coord.raft.messages import (
    Append,
    AppendReply,
    ChunkRead,
    ChunkReceived,
    ChunkStored,
    ChunkWanted,
    Compacted,
    Effects,
    Heartbeat,
    HeartbeatReply,
    InstallSnapshot,
    Membership,
    Propose,
    Role,
    SnapshotAvailable,
    SnapshotInstalled,
    SnapshotMeta,
    SnapshotReply,
    SnapshotWanted,
    TimeoutNow,
    Vote,
)
from coord.raft.progress import ProgressState
from coord.testing.lone_core import (
    CLUSTER,
    ELECTION_TICKS,
    HEARTBEAT_TICKS,
    LoneCore,
    entries_of,
)

MEMBERS = Membership((1, 2, 3))
META = SnapshotMeta(5, 2, MEMBERS)


# --- the leader's side --------------------------------------------------------------------------


def leader_without_log() -> LoneCore:
    """A leader at term 3 whose log starts after 5, and a follower 2 that has nothing."""
    lone = LoneCore(log=[2], term=2, base=(5, 2))
    lone.lead()
    lone.receive(HeartbeatReply, 0)
    return lone


def test_a_follower_whose_entries_are_gone_makes_the_leader_want_a_snapshot() -> None:
    lone = leader_without_log()
    effects = lone.receive(AppendReply, 6, 0, True, 0, 0)
    assert effects.snapshot_wanted == SnapshotWanted(LogIndex(5))
    assert lone.core.followers[0].state is ProgressState.SNAPSHOT


def shipping() -> LoneCore:
    lone = leader_without_log()
    lone.receive(AppendReply, 6, 0, True, 0, 0)
    effects = lone.step(SnapshotAvailable(META, 30))
    assert effects.chunks_wanted == (ChunkWanted(NodeId(2), META, 0),)
    return lone


def chunk(lone: LoneCore, offset: int, total: int = 30) -> Effects:
    return lone.step(ChunkRead(NodeId(2), META, total, offset, b"x" * 10))


def test_chunks_go_one_at_a_time_each_after_the_answer_to_the_last() -> None:
    lone = shipping()
    assert chunk(lone, 0).messages == (InstallSnapshot(CLUSTER, 2, 1, 3, META, 30, 0, b"x" * 10),)
    assert lone.receive(SnapshotReply, 5, 10).chunks_wanted == (ChunkWanted(NodeId(2), META, 10),)
    assert lone.receive(SnapshotReply, 5, 10).chunks_wanted == ()  # the same answer again


def test_after_the_snapshot_the_entries_follow() -> None:
    lone = shipping()
    effects = lone.receive(SnapshotReply, 5, 30, True)
    assert [(m.prev_index, len(m.entries)) for m in effects.messages if isinstance(m, Append)] == [
        (5, 2)
    ]
    progress = lone.core.followers[0]
    assert (progress.match, progress.state) == (5, ProgressState.REPLICATE)


def test_match_does_not_move_before_the_follower_says_done() -> None:
    lone = shipping()
    chunk(lone, 0)
    lone.receive(SnapshotReply, 5, 10)
    assert lone.core.followers[0].match == 0


def test_a_lost_chunk_is_read_again_after_a_timeout() -> None:
    lone = shipping()
    chunk(lone, 0)
    for _ in range(ELECTION_TICKS - 1):
        lone.tick()
        assert lone.effects.chunks_wanted == ()
        lone.receive(HeartbeatReply, 0)
    lone.tick()
    assert lone.effects.chunks_wanted == (ChunkWanted(NodeId(2), META, 0),)


def test_a_follower_that_forgot_its_part_starts_over() -> None:
    lone = shipping()
    lone.receive(SnapshotReply, 5, 10)
    assert lone.receive(SnapshotReply, 5, 0).chunks_wanted == (ChunkWanted(NodeId(2), META, 0),)


def test_a_late_answer_does_not_begin_a_second_conversation() -> None:
    lone = shipping()
    lone.receive(SnapshotReply, 5, 10)
    lone.receive(SnapshotReply, 5, 20)
    assert lone.receive(SnapshotReply, 5, 10).chunks_wanted == ()
    assert lone.receive(SnapshotReply, 5, 99).chunks_wanted == ()


def test_a_snapshot_that_is_gone_is_replaced_by_a_newer_one() -> None:
    lone = shipping()
    effects = lone.step(ChunkRead(NodeId(2), META, 0, 0, b""))
    assert effects.snapshot_wanted == SnapshotWanted(LogIndex(5))
    newer = SnapshotMeta(6, 2, MEMBERS)
    assert lone.step(SnapshotAvailable(newer, 40)).chunks_wanted == (
        ChunkWanted(NodeId(2), newer, 0),
    )


def test_a_chunk_that_nobody_asked_for_is_dropped() -> None:
    lone = shipping()
    assert chunk(lone, 10).messages == ()
    assert lone.step(ChunkRead(NodeId(9), META, 30, 0, b"x")).messages == ()


def test_a_refused_snapshot_is_tried_again_only_when_the_follower_shows_life() -> None:
    lone = shipping()
    assert lone.receive(SnapshotReply, 5, 0, False, True).chunks_wanted == ()
    assert lone.core.followers[0].state is ProgressState.PROBE
    lone.tick(2 * HEARTBEAT_TICKS)
    assert lone.receive(HeartbeatReply, 0).chunks_wanted == (ChunkWanted(NodeId(2), META, 0),)


def test_nothing_is_read_for_a_follower_that_fell_silent() -> None:
    lone = shipping()
    for _ in range(4 * ELECTION_TICKS):
        lone.receive(HeartbeatReply, 0, sender=3)
        lone.tick()
    assert lone.core.is_leader
    assert lone.core.followers[0].state is ProgressState.PROBE


def test_a_wish_that_the_shell_missed_is_repeated() -> None:
    lone = leader_without_log()
    lone.receive(AppendReply, 6, 0, True, 0, 0)
    wishes = []
    for _ in range(ELECTION_TICKS):
        lone.tick()
        wishes.append(lone.effects.snapshot_wanted)
    assert [wish for wish in wishes if wish is not None] == [SnapshotWanted(LogIndex(5))]


def test_a_silent_follower_whose_entries_went_is_sent_a_snapshot_when_it_is_back() -> None:
    lone = LoneCore((1, 2, 3), append_inflight_max=2)
    lone.lead()
    lone.write()
    for sender in (2, 3):
        lone.receive(AppendReply, 0, 1, sender=sender)
    for number in range(1, 4 * ELECTION_TICKS):
        lone.step(Propose((b"x",)))
        lone.write()
        lone.receive(AppendReply, number, number + 1, sender=3)
        lone.tick()
    lone.step(Compacted(lone.core.commit))
    last = lone.core.last_index
    lone.step(Propose((b"y",)))
    lone.write()
    effects = lone.receive(AppendReply, last, last + 1, sender=3)
    assert effects.committed != ()
    assert effects.snapshot_wanted is None  # 2 is silent
    lone.tick(HEARTBEAT_TICKS)
    assert lone.receive(HeartbeatReply, 0).snapshot_wanted is not None


def test_a_snapshot_answer_from_a_stranger_or_the_future_is_refused() -> None:
    lone = shipping()
    lone.receive(SnapshotReply, 5, 30, True, sender=9)
    lone.receive(SnapshotReply, 99, 30, True)
    assert lone.core.refused == 2
    assert lone.core.followers[0].match == 0


def test_done_without_a_shipment_still_counts_for_what_it_says() -> None:
    lone = leader_without_log()
    lone.receive(SnapshotReply, 5, 30, True)
    assert lone.core.followers[0].match == 5


def test_entries_behind_a_snapshot_under_way_are_not_compacted() -> None:
    lone = shipping()
    lone.write()
    lone.receive(AppendReply, 6, 7, sender=3)
    assert lone.core.commit == 7
    lone.step(Compacted(LogIndex(7)))
    assert lone.core.first_index == 6
    lone.receive(SnapshotReply, 5, 30, True)
    lone.step(Compacted(LogIndex(7)))
    assert lone.core.first_index == 8


def test_heartbeats_go_on_while_a_snapshot_is_sent() -> None:
    lone = shipping()
    chunk(lone, 0)
    sent = lone.tick(HEARTBEAT_TICKS)
    assert [type(m) for m in sent if m.to == 2] == [Heartbeat]


# --- the follower's side ------------------------------------------------------------------------


def install(
    lone: LoneCore, offset: int, total: int = 30, meta: SnapshotMeta = META, **others: int
) -> Effects:
    return lone.receive(InstallSnapshot, meta, total, offset, b"x" * 10, **others)


def stored(lone: LoneCore, next_offset: int) -> Effects:
    return lone.step(ChunkStored(META, next_offset))


def reply(next_offset: int, done: bool = False, rejected: bool = False) -> SnapshotReply:
    return SnapshotReply(CLUSTER, 2, 1, 3, 5, next_offset, done, rejected)


def test_chunks_are_stored_in_order_and_answered_when_stored() -> None:
    lone = LoneCore(term=3)
    effects = install(lone, 0)
    assert effects.messages == ()
    assert effects.chunk_received == ChunkReceived(META, 30, 0, b"x" * 10, False, False)
    assert stored(lone, 10).messages == (reply(10),)
    assert install(lone, 10).chunk_received is not None
    stored(lone, 20)
    effects = install(lone, 20)
    assert effects.chunk_received is not None
    assert effects.chunk_received.last
    effects = lone.step(SnapshotInstalled(META))
    assert effects.messages == (reply(30, done=True),)
    core = lone.core
    assert (core.first_index, core.last_index, core.commit, core.durable_index) == (6, 5, 5, 5)
    assert core.membership == MEMBERS


def installing() -> LoneCore:
    lone = LoneCore(log=[1, 1, 1, 1, 1, 1, 1], term=3, commit=2)
    install(lone, 0, total=10)
    return lone


def test_a_conflicting_log_is_discarded_whole() -> None:
    lone = installing()
    lone.step(SnapshotInstalled(META))
    assert (lone.core.first_index, lone.core.last_index) == (6, 5)


def test_after_installing_committing_goes_on_behind_the_snapshot() -> None:
    lone = installing()
    lone.step(SnapshotInstalled(META))
    effects = lone.receive(Append, 5, 2, 6, entries_of([3], 6))
    assert [entry.index for entry in effects.committed] == [6]


def test_a_damaged_snapshot_leaves_the_old_state() -> None:
    lone = installing()
    effects = lone.step(SnapshotInstalled(META, accepted=False))
    assert effects.messages == (reply(0, rejected=True),)
    assert (lone.core.last_index, lone.core.commit) == (7, 2)


def test_while_installing_nothing_is_appended_and_nobody_stands() -> None:
    lone = installing()
    assert lone.receive(Append, 7, 1, 0, entries_of([3], 8)).write is None
    lone.tick(5 * ELECTION_TICKS)
    lone.receive(Heartbeat, 0, 0)
    lone.receive(TimeoutNow)
    assert lone.core.role is Role.FOLLOWER
    assert install(lone, 0, total=10).chunk_received is None


def test_votes_are_answered_while_installing() -> None:
    lone = installing()
    lone.receive(Vote, 9, 3, True, sender=3, term=4)
    assert lone.write().messages != ()
    assert lone.step(SnapshotInstalled(META)).messages == ()  # its sender leads no more
    assert lone.core.commit == 5


def test_a_snapshot_at_or_before_commit_is_answered_done() -> None:
    lone = LoneCore(log=[1, 1, 2, 2, 2, 3], term=3, commit=5)
    effects = install(lone, 0)
    assert effects.messages == (reply(30, done=True),)
    assert effects.chunk_received is None
    assert lone.core.last_index == 6


def test_done_waits_until_what_was_committed_is_durable_here() -> None:
    lone = LoneCore(log=[1], term=3)
    lone.receive(Append, 1, 1, 6, entries_of([1, 2, 2, 2, 3], 2))
    assert lone.core.commit == 6
    assert install(lone, 0).messages == ()
    assert reply(30, done=True) in lone.write().messages


def test_a_log_that_holds_the_end_of_the_snapshot_keeps_its_suffix() -> None:
    lone = LoneCore(log=[1, 1, 2, 2, 2, 2, 3], term=3)
    effects = install(lone, 0)
    assert effects.chunk_received is None
    assert [entry.index for entry in effects.committed] == [1, 2, 3, 4, 5]
    assert effects.messages == (reply(30, done=True),)
    assert lone.core.last_index == 7


def test_a_chunk_out_of_order_is_answered_with_the_place_to_go_on_from() -> None:
    lone = LoneCore(term=3)
    assert install(lone, 10).messages == (reply(0),)
    install(lone, 0)
    assert install(lone, 0).chunk_received is None  # the first is still being stored
    stored(lone, 10)
    assert install(lone, 0).messages == (reply(10),)
    assert install(lone, 20).messages == (reply(10),)


def test_the_bytes_of_two_leaders_are_never_mixed() -> None:
    lone = LoneCore(term=3)
    install(lone, 0)
    stored(lone, 10)
    assert install(lone, 10, sender=3, term=4).chunk_received is None
    lone.write()
    effects = install(lone, 0, sender=3, term=4)
    assert effects.chunk_received is not None
    assert effects.chunk_received.offset == 0


def test_a_newer_snapshot_takes_the_place_of_an_unfinished_one() -> None:
    lone = LoneCore(term=3)
    install(lone, 0)
    newer = SnapshotMeta(8, 3, MEMBERS)
    assert install(lone, 0, meta=newer).chunk_received is None  # while a chunk is being stored
    stored(lone, 10)
    effects = install(lone, 0, meta=newer)
    assert effects.chunk_received is not None
    assert effects.chunk_received.meta == newer
    assert stored(lone, 10).messages == ()  # a late report of the old one


def test_the_last_chunk_waits_for_entries_on_their_way_to_the_disk() -> None:
    # Else those entries, written after the snapshot, would look like its suffix.
    lone = LoneCore(log=[1], term=3)
    lone.receive(Append, 1, 1, 0, entries_of([1, 1, 1, 1, 1, 1], 2))
    assert install(lone, 0, total=10).chunk_received is None
    effects = lone.write()
    assert effects.chunk_received is not None
    assert effects.chunk_received.last


def test_a_held_last_chunk_of_a_leader_of_the_past_is_forgotten() -> None:
    lone = LoneCore(log=[1], term=3)
    lone.receive(Append, 1, 1, 0, entries_of([1, 1, 1, 1, 1, 1], 2))
    install(lone, 0, total=10)
    lone.receive(Heartbeat, 0, 0, sender=3, term=4)
    assert lone.write().chunk_received is None


def test_members_of_the_snapshot_are_in_force() -> None:
    lone = LoneCore((), term=3)
    meta = SnapshotMeta(5, 2, Membership((1, 2), (9,)))
    install(lone, 0, total=10, meta=meta)
    effects = lone.step(SnapshotInstalled(meta))
    assert effects.membership == Membership((1, 2), (9,))
