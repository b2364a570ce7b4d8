"""No message, however wrong, raises or changes what it must not."""

import random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coord.ids import LogIndex, NodeId
from coord.raft.core import RaftCore
from coord.raft.membership import encode_membership
from coord.raft.messages import (
    Append,
    AppendReply,
    ChunkRead,
    ChunkStored,
    Compacted,
    Entry,
    EntryKind,
    HardState,
    Heartbeat,
    HeartbeatReply,
    InstallSnapshot,
    Membership,
    Message,
    PreVote,
    PreVoteReply,
    Propose,
    ProposeMembership,
    Read,
    ReadIndex,
    ReadIndexReply,
    Received,
    SnapshotAvailable,
    SnapshotInstalled,
    SnapshotMeta,
    SnapshotReply,
    Tick,
    TimeoutNow,
    Transfer,
    Vote,
    VoteReply,
    Written,
)
from coord.raft.sanity import NUMBER_MAX, is_sensible
from coord.raft.settings import Restored
from coord.testing.lone_core import CLUSTER, LoneCore, entries_of, lone_settings

KINDS: tuple[type[Any], ...] = (
    PreVote,
    PreVoteReply,
    Vote,
    VoteReply,
    Append,
    AppendReply,
    Heartbeat,
    HeartbeatReply,
    InstallSnapshot,
    SnapshotReply,
    ReadIndex,
    ReadIndexReply,
    TimeoutNow,
)
SMALL = st.integers(0, 9)
NUMBERS = st.one_of(SMALL, st.integers(-(2**63), 2**64 - 1))
NODES = st.lists(st.integers(1, 5), max_size=4).map(tuple)
MEMBERS = st.builds(Membership, NODES, NODES, NODES)
FIELDS: dict[Any, st.SearchStrategy[Any]] = {
    int: NUMBERS,
    bool: st.booleans(),
    bytes: st.binary(max_size=12),
    SnapshotMeta: st.builds(SnapshotMeta, NUMBERS, NUMBERS, MEMBERS),
    tuple[Entry, ...]: st.lists(
        st.builds(
            Entry,
            SMALL,
            SMALL,
            st.sampled_from(EntryKind),
            st.one_of(st.binary(max_size=5), MEMBERS.map(encode_membership)),
        ),
        max_size=4,
    ).map(tuple),
}


def messages() -> st.SearchStrategy[Message]:
    """Any message: mostly for us and from a peer, else anything."""
    head = {
        "cluster": st.sampled_from([CLUSTER] * 9 + [8]),
        "to": st.sampled_from([1] * 9 + [2]),
        "sender": st.sampled_from([2, 3, 2, 3, 2, 3, 4, 1, 0, -1, 2**63]),
        "term": st.one_of(st.integers(0, 5), st.integers(0, 5), NUMBERS),
    }

    def of(kind: Any) -> st.SearchStrategy[Any]:
        fields = {
            field.name: head[field.name] if field.name in head else FIELDS[field.type]
            for field in msgspec.structs.fields(kind)
        }
        return st.builds(kind, **fields)

    return st.one_of([of(kind) for kind in KINDS])


def follower() -> LoneCore:
    return LoneCore(log=[1, 1, 2], term=2, commit=1)


def leader() -> LoneCore:
    lone = LoneCore(log=[1, 1, 2], term=2, commit=1)
    lone.lead()
    return lone


def candidate() -> LoneCore:
    lone = LoneCore(log=[1, 1, 2], term=2, commit=1)
    lone.stand()
    return lone


@pytest.mark.parametrize("make", [follower, candidate, leader])
@given(arrivals=st.lists(messages(), max_size=25), durable=st.booleans())
@settings(max_examples=150, deadline=None)
def test_no_message_raises_or_moves_term_and_commit_back(
    make: Any, arrivals: list[Message], durable: bool
) -> None:
    lone = make()
    core = lone.core
    for message in arrivals:
        before = (core.term, core.commit)
        lone.step(Received(message))
        if durable and lone.effects.write is not None:
            lone.write()
        assert core.term >= before[0]
        assert core.commit >= before[1]
        assert core.commit <= core.last_index
        assert core.durable_index <= core.last_index


@given(messages())
@settings(max_examples=400, deadline=None)
def test_what_is_not_sensible_changes_nothing_and_is_counted(message: Message) -> None:
    lone = follower()
    core = lone.core
    if is_sensible(message, CLUSTER, 1):
        return
    effects = lone.step(Received(message))
    assert effects.messages == ()
    assert effects.write is None
    assert core.refused == 1
    assert (core.term, core.last_index, core.commit) == (2, 3, 1)


@given(st.lists(messages(), max_size=10), st.integers())
@settings(max_examples=60, deadline=None)
def test_events_of_the_shell_fit_into_any_history(arrivals: list[Message], seed: int) -> None:
    luck = random.Random(seed)
    meta = SnapshotMeta(0, 0, Membership((1, 2, 3)))
    core = RaftCore(lone_settings(), Restored(HardState(), meta), luck.randint)
    ticket = 0
    for message in arrivals:
        for event in (
            Received(message),
            Tick(),
            Propose((b"x",)),
            ProposeMembership(Membership((1, 2))),
            Read(luck.randint(0, 9)),
            Compacted(LogIndex(luck.randint(0, 9))),
            SnapshotAvailable(meta, 10),
            ChunkRead(NodeId(2), meta, 10, 0, b"x"),
            ChunkStored(meta, 4),
            SnapshotInstalled(meta, accepted=False),
            Transfer(NodeId(luck.randint(0, 4))),
        ):
            effects = core.step(event)
            if effects.write is not None:
                ticket = effects.write.ticket
        if luck.random() < 0.5:
            core.step(Written(ticket))


def head(term: int = 2) -> tuple[int, int, int, int]:
    return (CLUSTER, 1, 2, term)


@pytest.mark.parametrize(
    "message",
    [
        Heartbeat(8, 1, 2, 2, 0, 0),  # another cluster
        Heartbeat(CLUSTER, 3, 2, 2, 0, 0),  # for somebody else: a node that had our address
        Heartbeat(CLUSTER, 1, 1, 2, 0, 0),  # from ourselves
        Heartbeat(CLUSTER, 1, 0, 2, 0, 0),
        Heartbeat(*head(0), 0, 0),
        Heartbeat(*head(NUMBER_MAX), 0, 0),
        Heartbeat(*head(), -1, 0),
        Vote(*head(), 1, 2),  # its log is of the term it stands for
        Vote(*head(), -1, 0),
        Append(*head(), 1, 3, 0),  # a log newer than its leader
        Append(*head(), 0, 1, 0),
        Append(*head(), 1, 0, 0),
        Append(*head(), 1, 1, 0, entries_of([1], 3)),  # a gap
        Append(*head(), 1, 1, 0, entries_of([2, 1], 2)),  # terms fall
        Append(*head(), 1, 1, 0, entries_of([3], 2)),
        Append(*head(), 1, 1, 0, (Entry(2, 1, EntryKind.CONFIG, b"junk"),)),
        AppendReply(*head(), 0, -1),
        AppendReply(*head(), 0, 0, True, 4, 3),
        HeartbeatReply(*head(), -1),
        InstallSnapshot(*head(), SnapshotMeta(0, 1, Membership((1,))), 5, 0, b"x"),
        InstallSnapshot(*head(), SnapshotMeta(4, 9, Membership((1,))), 5, 0, b"x"),
        InstallSnapshot(*head(), SnapshotMeta(4, 1, Membership(())), 5, 0, b"x"),
        InstallSnapshot(*head(), SnapshotMeta(4, 1, Membership((1,))), 5, 0, b""),
        InstallSnapshot(*head(), SnapshotMeta(4, 1, Membership((1,))), 5, 5, b"x"),
        SnapshotReply(*head(), 0, 0),
        ReadIndex(*head(), -1),
        ReadIndexReply(*head(), 1, -1),
    ],
)
def test_a_message_that_cannot_be_true_is_not_sensible(message: Message) -> None:
    assert not is_sensible(message, CLUSTER, 1)


@pytest.mark.parametrize(
    "message",
    [
        PreVote(*head(), 0, 0),
        Vote(*head(), 7, 1, True),
        Append(*head(), 0, 0, 9, entries_of([1, 1, 2], 1)),
        AppendReply(*head(), 5, 0, True, 4, 2),
        InstallSnapshot(*head(), SnapshotMeta(4, 2, Membership((1,), (2,))), 5, 4, b"x"),
        TimeoutNow(*head()),
    ],
)
def test_what_a_sound_peer_sends_is_sensible(message: Message) -> None:
    assert is_sensible(message, CLUSTER, 1)
