"""Member lists: which are sound, which may follow which, which is in force where."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coord.errors import Corruption
from coord.raft.membership import (
    MembershipLog,
    all_nodes,
    all_voters,
    decode_membership,
    encode_membership,
    is_allowed_step,
    is_sound,
    is_voter,
)
from coord.raft.messages import Entry, EntryKind, Membership
from coord.raft.quorum import has_quorum

NODES = st.lists(st.integers(1, 6), unique=True, max_size=5).map(lambda nodes: tuple(sorted(nodes)))
MEMBERS = st.builds(Membership, NODES, NODES, NODES).filter(is_sound)


def config(index: int, members: Membership) -> Entry:
    return Entry(index, 1, EntryKind.CONFIG, encode_membership(members))


@given(MEMBERS)
@settings(deadline=None)
def test_a_member_list_survives_its_encoding(members: Membership) -> None:
    assert decode_membership(encode_membership(members)) == members


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x00",
        b"junk",
        encode_membership(Membership((2, 1))),
        encode_membership(Membership((0,))),
    ],
)
def test_bytes_that_are_no_sound_member_list_are_told_apart(payload: bytes) -> None:
    assert decode_membership(payload) is None


@pytest.mark.parametrize(
    "members",
    [
        Membership((2, 1)),
        Membership((1, 1)),
        Membership((-1,)),
        Membership((2**63,)),
        Membership((1,), (1,)),
        Membership((1,), (2,), (2,)),
        Membership((), (), (1,)),
    ],
)
def test_unsorted_repeated_or_contradictory_lists_are_not_sound(members: Membership) -> None:
    assert not is_sound(members)


def test_members_of_all_kinds_are_listed_once_and_sorted() -> None:
    members = Membership((2, 3), (9,), (1, 2))
    assert all_nodes(members) == (1, 2, 3, 9)
    assert all_voters(members) == (1, 2, 3)
    assert is_voter(members, 1)
    assert not is_voter(members, 9)


@given(MEMBERS, MEMBERS, st.data())
@settings(deadline=None)
def test_quorums_before_and_after_an_allowed_step_share_a_node(
    old: Membership, new: Membership, data: st.DataObject
) -> None:
    if not old.voters or not is_allowed_step(old, new, 5):
        return
    before = set(data.draw(st.permutations(all_voters(old))))
    after = set(data.draw(st.permutations(all_voters(new))))
    for group in (before, after):  # shrink each to a smallest quorum in a random order
        members = old if group is before else new
        for node in sorted(group):
            if has_quorum(members, group - {node}):
                group.discard(node)
    assert before & after


def test_one_voter_more_or_fewer_is_allowed_and_two_are_not() -> None:
    three = Membership((1, 2, 3))
    assert is_allowed_step(three, Membership((1, 2, 3, 4)), 4)
    assert is_allowed_step(three, Membership((1, 2)), 4)
    assert is_allowed_step(three, Membership((1, 2), (3,)), 4)
    assert not is_allowed_step(three, Membership((1, 2, 4)), 4)
    assert not is_allowed_step(three, Membership((1,)), 4)
    assert not is_allowed_step(Membership((1,)), Membership(()), 4)


def test_learners_are_bounded() -> None:
    assert is_allowed_step(Membership((1,)), Membership((1,), (2, 3)), 2)
    assert not is_allowed_step(Membership((1,)), Membership((1,), (2, 3)), 1)


def test_joint_consensus_is_entered_with_the_old_voters_and_left_with_the_new() -> None:
    old, joint, new = (
        Membership((1, 2, 3)),
        Membership((3, 4, 5), (), (1, 2, 3)),
        Membership((3, 4, 5)),
    )
    assert is_allowed_step(old, joint, 4)
    assert is_allowed_step(joint, new, 4)
    assert not is_allowed_step(joint, old, 4)
    assert not is_allowed_step(joint, joint, 4)
    assert not is_allowed_step(old, Membership((3, 4, 5), (), (1, 2)), 4)


def test_a_list_is_in_force_from_its_entry_and_rolled_back_with_it() -> None:
    one, two, three = Membership((1,)), Membership((1, 2)), Membership((1, 2, 3))
    lists = MembershipLog(0, one)
    lists.append(config(3, two))
    lists.append(config(7, three))
    assert lists.current == three
    assert [lists.at(index) for index in (0, 2, 3, 6, 7, 9)] == [one, one, two, two, three, three]
    lists.truncate_after(6)
    assert lists.current == two
    lists.truncate_after(0)
    assert lists.current == one


def test_compaction_keeps_the_list_in_force_at_the_new_base() -> None:
    one, two, three = Membership((1,)), Membership((1, 2)), Membership((1, 2, 3))
    lists = MembershipLog(0, one)
    lists.append(config(3, two))
    lists.append(config(7, three))
    lists.compact(5)
    assert lists.at(5) == two
    lists.truncate_after(5)
    assert lists.current == two
    lists.restart_at(20, three)
    assert (lists.current, lists.last_index) == (three, 20)


def test_a_voter_may_stand_until_its_removal_is_committed() -> None:
    lists = MembershipLog(0, Membership((1, 2)))
    lists.append(config(3, Membership((2,))))
    assert lists.may_stand(1, commit=2)
    assert not lists.may_stand(1, commit=3)
    assert lists.may_stand(2, commit=3)


def test_a_restored_list_that_cannot_be_read_is_corruption() -> None:
    with pytest.raises(Corruption, match="entry 3"):
        MembershipLog(0, Membership((1,))).append(Entry(3, 1, EntryKind.CONFIG, b"junk"))
