"""Bare cores under crashes, cuts and freezes: Raft's rules hold at every step."""

from collections import Counter

from coord.testing.raft_campaign import run_raft_seed


def test_thirty_rough_seeds_keep_every_rule_of_raft() -> None:
    outcomes = [run_raft_seed(seed, rough=True) for seed in range(30)]
    assert [outcome.failure for outcome in outcomes if outcome.failure] == []
    totals: Counter[str] = Counter()
    for outcome in outcomes:
        totals.update(outcome.counts)
    assert all(totals.values()), totals


def test_leaders_that_go_with_their_entries_half_way_out_lose_nothing_committed() -> None:
    failures = [run_raft_seed(seed, trickle=True).failure for seed in range(15)]
    assert not any(failures), failures
