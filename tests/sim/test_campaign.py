"""A short campaign: whole clusters, real clients, everything going wrong, nothing lost.

`make sim` runs the same over a thousand seeds.
"""

from collections import Counter

import pytest
from click.testing import CliRunner

from coord.testing.campaign import SOMETIMES, Outcome, never_happened, run_campaign, run_seed
from coord.testing.sim import main

_SEEDS = range(20)
_COMMON = {
    "calls",
    "commits",
    "elections",
    "snapshots saved",
    "repeats answered from the record",
    "unknown answers",
    "partitions",
    "crashes",
    "watch events",
    "watches ended by compaction",
    "leases expired",
    "jobs claimed",
    "jobs given back",
    "registers linearizable",
}
"""What even twenty seeds must have seen."""


def test_twenty_seeds_keep_every_promise() -> None:
    outcomes = list(run_campaign(_SEEDS, jobs=2))
    assert [outcome.failure for outcome in outcomes if outcome.failure] == []
    totals: Counter[str] = Counter()
    for outcome in outcomes:
        totals.update(outcome.counts)
    assert {name for name in _COMMON if totals[name] == 0} == set()
    assert totals["registers undecided"] <= totals["registers linearizable"] // 50


def test_what_must_sometimes_happen_is_counted() -> None:
    counted = run_seed(0).counts
    assert set(SOMETIMES) <= set(counted)


def test_a_campaign_in_which_something_never_happened_fails() -> None:
    totals = Counter(dict.fromkeys(SOMETIMES, 1))
    assert never_happened(totals) == []
    totals["elections"] = 0
    assert never_happened(totals) == ["elections"]


def test_the_command_repeats_one_seed() -> None:
    told = CliRunner().invoke(main, ["--seed", "31", "--plan"])
    assert told.exit_code == 0, told.output
    assert f"trace {run_seed(31).trace}" in told.output
    assert "Swarm(" in told.output


def test_the_command_names_failed_seeds_and_how_to_repeat_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(seed: int) -> Outcome:
        return Outcome(seed, "Violation: made up" if seed == 4 else "", {}, "", 0.0)

    monkeypatch.setattr("coord.testing.campaign.run_seed", fail)
    told = CliRunner().invoke(main, ["--seeds", "6", "--jobs", "1"])
    assert told.exit_code == 1
    assert "seed 4 FAILED: Violation: made up" in told.output
    assert "replay: python -m coord.testing.sim --seed 4 --trace" in told.output
