"""Majority arithmetic, held against a plainly dumb twin."""

from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from coord.raft.messages import Membership
from coord.raft.quorum import Outcome, commit_index, election_outcome, has_quorum, majority

NODES = st.lists(st.integers(1, 9), unique=True, max_size=7).map(lambda nodes: tuple(sorted(nodes)))
MEMBERS = st.builds(Membership, NODES, st.just(()), NODES)


def dumb_has_quorum(members: Membership, agreed: set[int]) -> bool:
    """Look through every group that is a majority."""

    def half(voters: tuple[int, ...]) -> bool:
        groups = (
            group
            for size in range(len(voters) + 1)
            for group in combinations(voters, size)
            if 2 * size > len(voters)
        )
        return any(agreed.issuperset(group) for group in groups)

    if not members.voters:
        return False
    return half(members.voters) and (not members.outgoing or half(members.outgoing))


@given(MEMBERS, st.sets(st.integers(1, 9)))
@settings(deadline=None)
def test_a_quorum_is_a_majority_of_each_half(members: Membership, agreed: set[int]) -> None:
    assert has_quorum(members, agreed) == dumb_has_quorum(members, agreed)


@given(MEMBERS, st.dictionaries(st.integers(1, 9), st.integers(0, 12)))
@settings(deadline=None)
def test_the_commit_index_is_the_highest_a_quorum_holds(
    members: Membership, matches: dict[int, int]
) -> None:
    def held(index: int) -> set[int]:
        return {node for node in range(1, 10) if matches.get(node, 0) >= index}

    expected = max(
        (index for index in range(13) if dumb_has_quorum(members, held(index))), default=0
    )
    assert commit_index(members, matches) == expected


@given(MEMBERS, st.dictionaries(st.integers(1, 9), st.booleans()))
@settings(deadline=None)
def test_an_election_is_won_or_lost_exactly_when_the_rest_cannot_change_it(
    members: Membership, votes: dict[int, bool]
) -> None:
    granted = {node for node, vote in votes.items() if vote}
    silent = {node for node in range(1, 10) if node not in votes}
    outcome = election_outcome(members, votes)
    assert (outcome is Outcome.WON) == dumb_has_quorum(members, granted)
    assert (outcome is Outcome.LOST) == (not dumb_has_quorum(members, granted | silent))


@given(MEMBERS, st.data())
@settings(deadline=None)
def test_two_quorums_of_one_member_list_share_a_node(
    members: Membership, data: st.DataObject
) -> None:
    everyone = sorted({*members.voters, *members.outgoing})
    if not everyone:
        return
    one = set(data.draw(st.lists(st.sampled_from(everyone))))
    other = set(data.draw(st.lists(st.sampled_from(everyone))))
    if has_quorum(members, one) and has_quorum(members, other):
        assert one & other


def test_a_majority_of_an_even_number_is_more_than_half() -> None:
    assert [majority(tuple(range(size))) for size in (1, 2, 3, 4, 5)] == [1, 2, 2, 3, 3]


def test_nobody_decides_for_a_list_without_voters() -> None:
    nobody = Membership((), (1, 2))
    assert not has_quorum(nobody, {1, 2})
    assert commit_index(nobody, {1: 5, 2: 5}) == 0
    assert election_outcome(nobody, {1: True}) is Outcome.LOST


def test_a_learner_never_counts() -> None:
    members = Membership((1, 2, 3), (4, 5))
    assert not has_quorum(members, {1, 4, 5})
    assert commit_index(members, {1: 9, 4: 9, 5: 9}) == 0
    assert election_outcome(members, {1: True, 4: True, 5: True}) is Outcome.PENDING
