"""The rules of Raft, broken one by one: each must be named."""

import attrs
import pytest

from coord.raft.messages import (
    AppendReply,
    Entry,
    EntryKind,
    HardState,
    Membership,
    Role,
    SnapshotMeta,
    Vote,
    VoteReply,
    Write,
)
from coord.testing.invariants import RaftChecks
from coord.testing.violation import Violation
from coord.wal.port import Recovered

_MEMBERS = Membership((1, 2, 3))


@attrs.define
class _Core:
    """What a core shows, set by hand."""

    role: Role = Role.FOLLOWER
    term: int = 1
    commit: int = 0
    first_index: int = 1
    last_index: int = 0


def _entries(first: int, *payloads: bytes, term: int = 1) -> tuple[Entry, ...]:
    return tuple(Entry(i, term, EntryKind.NORMAL, p) for i, p in enumerate(payloads, first))


class _Cluster:
    """Three nodes whose disks do at once what they are asked."""

    def __init__(self) -> None:
        self.checks = RaftChecks((1, 2, 3))
        self._ticket = 0

    def write(
        self,
        node: int,
        *entries: Entry,
        hard: HardState | None = None,
        durable: bool = True,
    ) -> None:
        self._ticket += 1
        self.checks.write_asked(node, Write(self._ticket, hard, entries), None)
        if durable:
            self.checks.write_done(node, self._ticket)

    def turn(self, node: int, last: int, commit: int = 0, **shown: int) -> None:
        core = _Core(commit=commit, last_index=last)
        core = attrs.evolve(core, **shown)  # type: ignore[arg-type]
        self.checks.turned(node, core)

    def lead(self, node: int, last: int, term: int, commit: int = 0) -> None:
        core = _Core(role=Role.LEADER, term=term, last_index=last, commit=commit)
        self.checks.turned(node, core)


def test_a_faithful_history_passes() -> None:
    cluster = _Cluster()
    for node in (1, 2):
        cluster.write(node, *_entries(1, b"a"), hard=HardState(1, 1))
    cluster.lead(1, last=1, term=1, commit=1)
    cluster.turn(2, last=1, commit=1)
    assert cluster.checks.committed == 1
    assert [entry.payload for entry in cluster.checks.log] == [b"a"]


def test_two_leaders_of_one_term_are_named() -> None:
    cluster = _Cluster()
    cluster.lead(1, last=0, term=4)
    with pytest.raises(Violation, match="election safety"):
        cluster.lead(2, last=0, term=4)


def test_a_commit_that_is_durable_on_a_minority_is_named() -> None:
    cluster = _Cluster()
    cluster.write(1, *_entries(1, b"a"))
    cluster.write(2, *_entries(1, b"a"), durable=False)
    with pytest.raises(Violation, match="durable only on"):
        cluster.turn(1, last=1, commit=1)


def test_two_nodes_that_commit_different_entries_are_named() -> None:
    cluster = _Cluster()
    for node in (1, 2):
        cluster.write(node, *_entries(1, b"a"))
    cluster.turn(1, last=1, commit=1)
    cluster.write(3, *_entries(1, b"b", term=2))
    with pytest.raises(Violation, match="state machine safety"):
        cluster.turn(3, last=1, commit=1)


def test_logs_that_differ_below_an_equal_entry_are_named() -> None:
    cluster = _Cluster()
    cluster.write(1, *_entries(1, b"a", b"b"))
    cluster.write(2, *_entries(1, b"x", term=9))
    with pytest.raises(Violation, match="log matching"):
        cluster.write(2, *_entries(2, b"b"))


def test_a_new_leader_without_a_committed_entry_is_named() -> None:
    cluster = _Cluster()
    for node in (1, 2):
        cluster.write(node, *_entries(1, b"a"))
    cluster.turn(1, last=1, commit=1)
    with pytest.raises(Violation, match="leader completeness"):
        cluster.lead(3, last=0, term=2)


def test_a_late_leader_of_an_old_term_owes_only_what_older_terms_committed() -> None:
    cluster = _Cluster()
    for node in (1, 2):
        cluster.write(node, *_entries(1, b"a", term=5), hard=HardState(5, 1))
    cluster.lead(1, last=1, term=5, commit=1)
    cluster.lead(3, last=0, term=4)


def test_dropping_a_committed_entry_is_named() -> None:
    cluster = _Cluster()
    for node in (1, 2):
        cluster.write(node, *_entries(1, b"a"))
    cluster.turn(1, last=1, commit=1)
    with pytest.raises(Violation, match="which the cluster has committed"):
        cluster.write(2, *_entries(1, b"b", term=2))


def test_a_leader_that_rewrites_its_own_log_is_named() -> None:
    cluster = _Cluster()
    cluster.write(1, *_entries(1, b"a"))
    leader = _Core(role=Role.LEADER, last_index=1)
    cluster.checks.turned(1, leader)
    with pytest.raises(Violation, match="append-only"):
        cluster.checks.write_asked(1, Write(9, None, _entries(1, b"b")), leader)


@pytest.mark.parametrize("after", [HardState(1, 2), HardState(2, 0), HardState(3, 1)])
def test_terms_and_votes_never_go_back(after: HardState) -> None:
    cluster = _Cluster()
    cluster.write(1, hard=HardState(3, 2))
    with pytest.raises(Violation, match=r"term went|vote in"):
        cluster.write(1, hard=after)


def test_commit_never_goes_back() -> None:
    cluster = _Cluster()
    for node in (1, 2):
        cluster.write(node, *_entries(1, b"a"))
    cluster.turn(1, last=1, commit=1)
    with pytest.raises(Violation, match="commit went"):
        cluster.turn(1, last=1, commit=0)


def test_promises_before_they_are_durable_are_named() -> None:
    cluster = _Cluster()
    cluster.write(1, *_entries(1, b"a"), hard=HardState(1, 2), durable=False)
    checks = cluster.checks
    with pytest.raises(Violation, match="vote that is not durable"):
        checks.sent(1, VoteReply(7, 2, 1, 1, True))
    with pytest.raises(Violation, match="own vote that is not durable"):
        checks.sent(1, Vote(7, 2, 1, 1, 0, 0))
    with pytest.raises(Violation, match="not durable"):
        checks.sent(1, AppendReply(7, 2, 1, 1, 0, 1))
    checks.write_done(1, 1)
    checks.sent(1, VoteReply(7, 2, 1, 1, True))
    checks.sent(1, AppendReply(7, 2, 1, 1, 0, 1))


def test_a_disk_that_lost_what_was_durable_is_named() -> None:
    cluster = _Cluster()
    cluster.write(1, *_entries(1, b"a", b"b"), hard=HardState(1, 1))
    with pytest.raises(Violation, match="recovered a log to 1"):
        cluster.checks.restarted(1, Recovered(HardState(1, 1), None, _entries(1, b"a")))
    with pytest.raises(Violation, match="expected one of"):
        cluster.checks.restarted(1, Recovered(HardState(1, 0), None, _entries(1, b"a", b"b")))


@pytest.mark.parametrize("kept", [1, 2, 3])
def test_a_disk_may_keep_any_part_of_what_was_not_durable_yet(kept: int) -> None:
    cluster = _Cluster()
    cluster.write(1, *_entries(1, b"a"))
    cluster.write(1, *_entries(2, b"b", b"c"), durable=False)
    entries = _entries(1, b"a", b"b", b"c")[:kept]
    cluster.checks.restarted(1, Recovered(HardState(), None, entries))


def test_a_snapshot_beyond_what_was_committed_is_named() -> None:
    cluster = _Cluster()
    cluster.write(1, *_entries(1, b"a"))
    meta = SnapshotMeta(1, 1, _MEMBERS)
    with pytest.raises(Violation, match="snapshot to 1 of 0 committed"):
        cluster.checks.restarted(1, Recovered(HardState(), meta, ()))


def test_different_states_at_one_index_are_named() -> None:
    checks = RaftChecks((1, 2))
    checks.applied(1, 5, b"state")
    checks.applied(2, 5, b"state")
    with pytest.raises(Violation, match="another state at 5"):
        checks.applied(2, 5, b"other")
