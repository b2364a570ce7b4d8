"""Member lists: how they travel, which one is in force, which step to another is allowed.

A list is in force from the moment its entry is appended, committed or not, and goes out of force
when that entry is cut (section 4.1 of the thesis; pitfall: mixing this with "from apply").
"""

from itertools import pairwise

import msgspec

from coord.errors import Corruption
from coord.raft.messages import Entry, EntryKind, Membership

NODE_ID_MAX = 2**63 - 1

_DECODER = msgspec.msgpack.Decoder(Membership)
_ENCODER = msgspec.msgpack.Encoder()


def encode_membership(members: Membership) -> bytes:
    """Return the payload of a CONFIG entry."""
    return _ENCODER.encode(members)


def decode_membership(payload: bytes) -> Membership | None:
    """Return the list in a CONFIG entry's payload, None when it is not a sound one."""
    try:
        members = _DECODER.decode(payload)
    except msgspec.MsgspecError:
        return None
    return members if is_sound(members) else None


def is_sound(members: Membership) -> bool:
    """Tell whether lists are sorted, free of repeats, positive, and nobody is in two roles."""
    for nodes in (members.voters, members.learners, members.outgoing):
        if any(left >= right for left, right in pairwise(nodes)):
            return False
        if nodes and not 0 < nodes[0] <= nodes[-1] <= NODE_ID_MAX:
            return False
    voting = set(members.voters) | set(members.outgoing)
    if members.outgoing and not members.voters:
        return False
    return voting.isdisjoint(members.learners)


def is_voter(members: Membership, node: int) -> bool:
    """Tell whether `node` votes, in either half."""
    return node in members.voters or node in members.outgoing


def all_nodes(members: Membership) -> tuple[int, ...]:
    """Return every member once, sorted."""
    return tuple(sorted({*members.voters, *members.outgoing, *members.learners}))


def all_voters(members: Membership) -> tuple[int, ...]:
    """Return every voting member once, sorted."""
    if not members.outgoing:
        return members.voters
    return tuple(sorted({*members.voters, *members.outgoing}))


def is_allowed_step(old: Membership, new: Membership, learners_max: int) -> bool:
    """Tell whether `new` may follow `old` in the log.

    Allowed: at most one voter more or fewer; into joint consensus (`outgoing` becomes the old
    voters); out of it (`outgoing` becomes empty and nothing else changes). Each keeps a quorum
    of the old list overlapping every quorum of the new one.
    """
    if not new.voters or not is_sound(new) or len(new.learners) > learners_max:
        return False
    if old.outgoing:
        return not new.outgoing and new.voters == old.voters and new.learners == old.learners
    if new.outgoing:
        return new.outgoing == old.voters
    return len(set(old.voters) ^ set(new.voters)) <= 1


class MembershipLog:
    """The member lists of the log: the base's, and one for each CONFIG entry after it."""

    __slots__ = ("_lists", "current")

    def __init__(self, base_index: int, members: Membership) -> None:
        """Start from the list in force at the log's base."""
        self._lists: list[tuple[int, Membership]] = [(base_index, members)]
        self.current = members

    @property
    def last_index(self) -> int:
        """Index of the entry (or base) that put the current list in force."""
        return self._lists[-1][0]

    def append(self, entry: Entry) -> None:
        """Put the list of a CONFIG entry in force.

        Raises:
            Corruption: the payload is not a member list.
        """
        assert entry.kind is EntryKind.CONFIG
        assert entry.index > self.last_index
        members = decode_membership(entry.payload)
        if members is None:
            raise Corruption(f"entry {entry.index} is not a member list")
        self._lists.append((entry.index, members))
        self.current = members

    def truncate_after(self, index: int) -> None:
        """Take lists after `index` out of force."""
        while len(self._lists) > 1 and self._lists[-1][0] > index:
            self._lists.pop()
        self.current = self._lists[-1][1]

    def at(self, index: int) -> Membership:
        """Return the list in force at `index`, which is not before the base."""
        members = self._lists[0][1]
        for start, later in self._lists[1:]:
            if start > index:
                break
            members = later
        return members

    def may_stand(self, node: int, commit: int) -> bool:
        """Tell whether `node` may campaign.

        A voter may; so may one whose removal is not known to be committed, for it may be the
        only one whose log can win and finish that change (thesis 4.2.2).
        """
        if is_voter(self.current, node):
            return True
        return self.last_index > commit and is_voter(self.at(self.last_index - 1), node)

    def compact(self, index: int) -> None:
        """Forget lists that were replaced at or before `index`."""
        while len(self._lists) > 1 and self._lists[1][0] <= index:
            del self._lists[0]

    def restart_at(self, index: int, members: Membership) -> None:
        """Replace everything by the list of an installed snapshot."""
        self._lists = [(index, members)]
        self.current = members
