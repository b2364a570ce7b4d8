"""Division: even, complete, disjoint, the same everywhere, and steady."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipes.division import divide

NAMES = st.sets(st.text(st.characters(codec="utf-8"), min_size=1, max_size=5), max_size=20)


@given(NAMES, NAMES)
def test_a_division_is_even_complete_disjoint_and_the_same_in_any_order(
    items: set[str], members: set[str]
) -> None:
    by_key = {str(number): name for number, name in enumerate(sorted(members))}
    shares = divide(sorted(items), by_key)
    assert shares == divide(sorted(items, reverse=True), dict(reversed(by_key.items())))
    if members:
        assert sorted(item for share in shares.values() for item in share) == sorted(items)
        assert max(len(share) for share in shares.values()) <= -(-len(items) // len(members))


@pytest.mark.parametrize(("many", "moved_max"), [(1, 150), (2, 110), (3, 90), (4, 70), (5, 60)])
def test_one_more_member_moves_little_more_than_its_own_share(many: int, moved_max: int) -> None:
    items = [f"item-{number}" for number in range(300)]
    members = {str(number): f"worker-{number}" for number in range(6)}

    def owners(count: int) -> dict[str, str]:
        shares = divide(items, {key: members[key] for key in list(members)[:count]})
        return {item: member for member, share in shares.items() for item in share}

    before, after = owners(many), owners(many + 1)
    moved = sum(before[item] != after[item] for item in items)
    assert 300 // (many + 1) <= moved <= moved_max
