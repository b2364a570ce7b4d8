"""Majority arithmetic, for one member list and for two at once (joint consensus, section 6).

Pure functions over a Membership. Learners never count. A membership without voters decides
nothing: it wins no election and commits no entry.
"""

from collections.abc import Container, Mapping
from enum import IntEnum

from coord.raft.messages import Membership


class Outcome(IntEnum):
    """Where an election stands."""

    PENDING = 0
    WON = 1
    LOST = 2


def majority(voters: tuple[int, ...]) -> int:
    """Return how many of `voters` decide."""
    return len(voters) // 2 + 1


def commit_index(members: Membership, matches: Mapping[int, int]) -> int:
    """Return the highest index that a quorum holds.

    Args:
        members: who counts.
        matches: durable index by node; a missing node holds nothing.

    Returns:
        The index, 0 when there are no voters; during joint consensus both halves hold it.
    """
    if not members.voters:
        return 0
    index = _held_by_majority(members.voters, matches)
    if members.outgoing:
        index = min(index, _held_by_majority(members.outgoing, matches))
    return index


def _held_by_majority(voters: tuple[int, ...], matches: Mapping[int, int]) -> int:
    held = [matches.get(voter, 0) for voter in voters]
    held.sort()
    # Ascending: everyone from this place on, a majority, holds at least as much.
    return held[(len(held) - 1) // 2]


def has_quorum(members: Membership, agreed: Container[int]) -> bool:
    """Tell whether the nodes in `agreed` are a quorum of `members`."""
    if not members.voters or not _has_majority(members.voters, agreed):
        return False
    return not members.outgoing or _has_majority(members.outgoing, agreed)


def _has_majority(voters: tuple[int, ...], agreed: Container[int]) -> bool:
    count = 0
    for voter in voters:
        if voter in agreed:
            count += 1
    return count >= majority(voters)


def election_outcome(members: Membership, votes: Mapping[int, bool]) -> Outcome:
    """Tell whether votes cast so far decide an election.

    Args:
        members: whose votes count.
        votes: by node, True when granted; a node missing has not answered.

    Returns:
        WON when every half is won, LOST as soon as one half cannot be won any more.
    """
    if not members.voters:
        return Outcome.LOST
    outcome = _half_outcome(members.voters, votes)
    if not members.outgoing:
        return outcome
    other = _half_outcome(members.outgoing, votes)
    if Outcome.LOST in (outcome, other):
        return Outcome.LOST
    return Outcome.WON if outcome == other == Outcome.WON else Outcome.PENDING


def _half_outcome(voters: tuple[int, ...], votes: Mapping[int, bool]) -> Outcome:
    granted = 0
    refused = 0
    for voter in voters:
        vote = votes.get(voter)
        if vote is True:
            granted += 1
        elif vote is False:
            refused += 1
    needed = majority(voters)
    if granted >= needed:
        return Outcome.WON
    return Outcome.LOST if len(voters) - refused < needed else Outcome.PENDING
