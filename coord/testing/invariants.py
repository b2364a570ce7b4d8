"""What must hold of Raft at every step, checked from outside: at disk and wire, after turns.

Nothing here looks inside the core but at its public properties. The log is known from what was
handed to the disk, durability from what the disk reported, promises from what was sent. Named
after figure 3.2 of Ongaro's dissertation where they have a name there.
"""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Protocol

import attrs

from coord.node.peers import PeerFrame
from coord.raft.messages import (
    AppendReply,
    Entry,
    HardState,
    PreVote,
    PreVoteReply,
    Role,
    SnapshotMeta,
    SnapshotReply,
    Vote,
    VoteReply,
    Write,
)
from coord.testing.log_image import EMPTY, LogImage
from coord.testing.violation import Violation
from coord.wal.port import Recovered


class CoreView(Protocol):
    """The public properties of a Raft core."""

    @property
    def role(self) -> Role:
        """What the node is doing in its term."""
        ...

    @property
    def term(self) -> int:
        """The term it is in."""
        ...

    @property
    def commit(self) -> int:
        """How far it knows the log to be committed."""
        ...

    @property
    def first_index(self) -> int:
        """The first index it keeps in memory."""
        ...

    @property
    def last_index(self) -> int:
        """The last index of its log."""
        ...


@attrs.define
class _Install:
    """A received snapshot on its way to the disk."""

    meta: SnapshotMeta
    keep_suffix: bool


@attrs.define
class _Member:
    """One node as it is known from outside, across its restarts."""

    log: LogImage = attrs.field(factory=LogImage)
    hard: HardState = attrs.field(factory=HardState)
    durable: LogImage = attrs.field(factory=LogImage)
    durable_hard: HardState = attrs.field(factory=HardState)
    pending: list[Write | _Install] = attrs.field(factory=list)
    commit: int = 0
    term: int = 0
    role: Role = Role.FOLLOWER


class RaftChecks:
    """The rules, over all nodes and all history."""

    def __init__(self, nodes: Sequence[int]) -> None:
        self._members = {node: _Member() for node in nodes}
        self._leaders: dict[int, int] = {}
        self._prefixes: dict[tuple[int, int], int] = {}
        self._committed: list[int] = [EMPTY]
        self._committed_in: list[int] = [0]
        self._states: dict[int, int | bytes] = {}
        self.log: list[Entry] = []
        """Every committed entry, from index 1 on: what really happened."""
        self.truncations = 0
        self.installs = 0
        self.saves = 0

    @property
    def committed(self) -> int:
        """The highest index any node has called committed."""
        return len(self.log)

    @property
    def leaders(self) -> int:
        """How many terms had a leader."""
        return len(self._leaders)

    # --- at the disk ------------------------------------------------------------------------

    def write_asked(self, node: int, write: Write, core: CoreView | None) -> None:
        """A node hands `write` to its disk."""
        member = self._members[node]
        member.pending.append(write)
        if write.hard_state is not None:
            self._check_hard_state(node, member.hard, write.hard_state)
            member.hard = write.hard_state
        if not write.entries:
            return
        first = write.entries[0].index
        if first <= member.log.last:
            self._check_truncation(node, member, write.entries, core)
        if first > member.log.last + 1:
            raise Violation(f"node {node}: gap in log: {first} after {member.log.last}")
        for entry, prefix in zip(
            write.entries, member.log.replace_from(write.entries), strict=True
        ):
            known = self._prefixes.setdefault((entry.index, entry.term), prefix)
            if known != prefix:
                raise Violation(f"log matching: node {node} at {entry.index} term {entry.term}")

    def _check_hard_state(self, node: int, old: HardState, new: HardState) -> None:
        if new.term < old.term:
            raise Violation(f"node {node}: term went from {old.term} to {new.term}")
        if new.term == old.term and old.vote and new.vote != old.vote:
            raise Violation(f"node {node}: vote in {old.term} went from {old.vote} to {new.vote}")

    def _check_truncation(
        self, node: int, member: _Member, entries: Sequence[Entry], core: CoreView | None
    ) -> None:
        self.truncations += 1
        first = entries[0].index
        if member.role is Role.LEADER and core is not None and core.term == member.term:
            raise Violation(f"leader append-only: node {node} rewrites {first}")
        if first <= member.commit:
            raise Violation(f"node {node}: truncates at {first}, committed {member.commit}")
        if first <= self.committed and member.log.hash_at(first) == self._committed[first]:
            raise Violation(f"node {node}: drops entry {first}, which the cluster has committed")

    def install_asked(self, node: int, meta: SnapshotMeta, keep_suffix: bool) -> None:
        """A node hands the last chunk of a received snapshot to its disk."""
        self._members[node].pending.append(_Install(meta, keep_suffix))

    def write_done(self, node: int, ticket: int) -> None:
        """The disk told `node` that every write up to `ticket` is durable."""
        member = self._members[node]
        kept: list[Write | _Install] = []
        for asked in member.pending:
            if isinstance(asked, Write) and asked.ticket <= ticket:
                self._make_durable(member, asked)
            else:
                kept.append(asked)
        member.pending = kept

    def _make_durable(self, member: _Member, write: Write) -> None:
        if write.hard_state is not None:
            member.durable_hard = write.hard_state
        entries = [entry for entry in write.entries if entry.index > member.durable.base]
        member.durable.replace_from(entries)

    def install_done(self, node: int, meta: SnapshotMeta, accepted: bool) -> None:
        """The disk told `node` that a received snapshot is durable, or was refused."""
        member = self._members[node]
        asked = next(a for a in member.pending if isinstance(a, _Install) and a.meta == meta)
        member.pending.remove(asked)
        if not accepted:
            return
        self.installs += 1
        prefix = self._snapshot_prefix(node, meta)
        member.log.restart_at(meta.index, prefix, keep_suffix=asked.keep_suffix)
        member.durable.restart_at(meta.index, prefix, keep_suffix=asked.keep_suffix)

    def _snapshot_prefix(self, node: int, meta: SnapshotMeta) -> int:
        if meta.index > self.committed:
            raise Violation(f"node {node}: snapshot to {meta.index} of {self.committed} committed")
        if meta.index and self.log[meta.index - 1].term != meta.term:
            raise Violation(f"node {node}: snapshot at {meta.index} says term {meta.term}")
        return self._committed[meta.index]

    # --- across a restart -------------------------------------------------------------------

    def restarted(self, node: int, recovered: Recovered) -> None:
        """A node came up with what its disk kept: all that was durable, maybe more, no less."""
        member = self._members[node]
        hard = recovered.hard_state
        allowed = [member.durable_hard]
        allowed += [w.hard_state for w in member.pending if isinstance(w, Write) and w.hard_state]
        if (hard.term, hard.vote) not in {(h.term, h.vote) for h in allowed}:
            raise Violation(f"node {node}: recovered {hard}, expected one of {allowed}")
        image = LogImage()
        if recovered.snapshot is not None:
            meta = recovered.snapshot
            image.restart_at(meta.index, self._snapshot_prefix(node, meta), keep_suffix=False)
        if recovered.entries and recovered.entries[0].index > image.base + 1:
            raise Violation(f"node {node}: gap between snapshot {image.base} and log")
        image.replace_from(entry for entry in recovered.entries if entry.index > image.base)
        if (image.last, image.last_hash) not in self._possible_ends(member):
            raise Violation(
                f"node {node}: recovered a log to {image.last}; durable was {member.durable.last}"
            )
        member.log, member.durable = image, image.copy()
        member.hard = member.durable_hard = hard
        member.pending.clear()
        member.commit, member.role, member.term = image.base, Role.FOLLOWER, hard.term

    def _possible_ends(self, member: _Member) -> set[tuple[int, int]]:
        """Every (last index, prefix hash) the disk may come back with."""
        image = member.durable.copy()
        ends = {(image.last, image.last_hash)}
        for asked in member.pending:
            if isinstance(asked, _Install):
                prefix = self._committed[asked.meta.index]
                image.restart_at(asked.meta.index, prefix, keep_suffix=asked.keep_suffix)
                ends.add((image.last, image.last_hash))
                continue
            for entry in asked.entries:
                if entry.index > image.base:
                    image.replace_from((entry,))
                    ends.add((image.last, image.last_hash))
        return ends

    # --- at the wire ------------------------------------------------------------------------

    def sent(self, node: int, frame: PeerFrame) -> None:
        """A node sends a message to a peer: whatever it promises must be durable already."""
        member = self._members[node]
        hard = member.durable_hard
        kind = type(frame)
        if kind is PreVote or kind is PreVoteReply:
            return
        if isinstance(frame, VoteReply) and frame.granted:
            self._must(node, hard.term == frame.term and hard.vote == frame.to, "vote", frame)
        elif isinstance(frame, Vote):
            self._must(node, hard.term == frame.term and hard.vote == node, "own vote", frame)
        elif isinstance(frame, AppendReply) and not frame.rejected:
            self._must(node, hard.term >= frame.term, "term", frame)
            self._must(node, member.durable.last >= frame.match, "match", frame)
            self._must_agree(node, member, frame.match)
        elif isinstance(frame, SnapshotReply) and frame.done:
            self._must(node, member.durable.last >= frame.index, "snapshot", frame)

    @staticmethod
    def _must(node: int, holds: bool, promise: str, frame: PeerFrame) -> None:
        if not holds:
            raise Violation(f"node {node} promised a {promise} that is not durable: {frame}")

    @staticmethod
    def _must_agree(node: int, member: _Member, match: int) -> None:
        if match >= member.durable.base and member.durable.hash_at(match) != member.log.hash_at(
            match
        ):
            raise Violation(f"node {node} promised match {match}; its disk holds another entry")

    # --- after a turn -----------------------------------------------------------------------

    def turned(self, node: int, core: CoreView) -> None:
        """A node finished a turn."""
        member = self._members[node]
        if core.term < member.term:
            raise Violation(f"node {node}: term went from {member.term} to {core.term}")
        if core.commit < member.commit:
            raise Violation(f"node {node}: commit went from {member.commit} to {core.commit}")
        if core.last_index != member.log.last:
            raise Violation(f"node {node}: log ends at {core.last_index}, disk {member.log.last}")
        if core.commit > member.commit:
            self._check_commit(node, member, core.commit, core.term)
        if core.role is Role.LEADER and (member.role is not Role.LEADER or core.term > member.term):
            self._check_leader(node, member, core.term)
        member.term, member.role, member.commit = core.term, core.role, core.commit

    def applied(self, node: int, index: int, state: int | bytes) -> None:
        """A node's state after applying all up to `index`: the same on every node."""
        known = self._states.setdefault(index, state)
        if known != state:
            raise Violation(f"state machine safety: node {node} has another state at {index}")

    def crashed(self, node: int, core: CoreView) -> None:
        """A node's process ended, maybe in the middle of a turn.

        What a leader had called committed by then may have been told already, so it counts. Of
        another node it is not known whether its last write was handed over.
        """
        member = self._members[node]
        if core.role is Role.LEADER:
            commit = min(core.commit, member.log.last)
            if commit > member.commit:
                self._check_commit(node, member, commit, core.term)
        member.role = Role.FOLLOWER

    def _check_leader(self, node: int, member: _Member, term: int) -> None:
        other = self._leaders.setdefault(term, node)
        if other != node:
            raise Violation(f"election safety: {other} and {node} lead term {term}")
        # A vote may arrive late, when later terms have already committed more: those do not count.
        owed = bisect_left(self._committed_in, term) - 1
        if member.log.base < owed and member.log.hash_at(owed) != self._committed[owed]:
            raise Violation(f"leader completeness: node {node}, term {term}, at {owed}")

    def _check_commit(self, node: int, member: _Member, commit: int, term: int) -> None:
        if commit > member.log.last:
            raise Violation(f"node {node}: commit {commit} beyond log {member.log.last}")
        for index in range(max(member.commit, member.log.base) + 1, commit + 1):
            held = member.log.hash_at(index)
            assert held is not None
            if index <= self.committed:
                if held != self._committed[index]:
                    raise Violation(f"state machine safety: node {node} differs at {index}")
                continue
            entry = member.log.entry_at(index)
            assert entry is not None
            self._check_quorum(node, index, held)
            self._committed.append(held)
            self._committed_in.append(max(term, self._committed_in[-1]))
            self.log.append(entry)

    def _check_quorum(self, node: int, index: int, held: int) -> None:
        holders = [
            other
            for other, member in self._members.items()
            if member.durable.base >= index or member.durable.hash_at(index) == held
        ]
        if 2 * len(holders) <= len(self._members):
            raise Violation(f"node {node} commits {index}, durable only on {holders}")
