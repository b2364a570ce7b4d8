"""A short campaign over the recipes, and its command; `make sim-recipes` runs hundreds of seeds."""

import os
import subprocess
import sys
from collections import Counter

import pytest
from click.testing import CliRunner

from coord.testing.campaign import Outcome
from recipes.testing.campaign import never_happened, run_campaign, run_seed
from recipes.testing.sim import main

_SEEDS = (0, 1, 2, 4, 5, 8, 9, 12)  # quick ones
_PRINT_TRACES = """
from recipes.testing.campaign import run_seed
for seed in range(8):
    print(run_seed(seed).trace)
"""


def test_a_few_seeds_keep_every_promise() -> None:
    outcomes = list(run_campaign(_SEEDS, jobs=2))
    assert [outcome.failure for outcome in outcomes if outcome.failure] == []
    totals: Counter[str] = Counter()
    for outcome in outcomes:
        totals.update(outcome.counts)
    common = {
        "elections", "crashes", "partitions", "sessions lost by expiry", "processes killed",
        "processes stopped", "guarded writes accepted", "waits cancelled", "told MaybeDone",
    }  # fmt: skip
    assert {name for name in common if totals[name] == 0} == set()


def test_a_seed_gives_the_same_run_each_time() -> None:
    first, second = run_seed(5), run_seed(5)
    assert first.trace == second.trace
    assert first.counts == second.counts
    assert run_seed(0).trace != first.trace


@pytest.mark.slow
def test_two_processes_with_different_hash_seeds_see_the_same_runs() -> None:
    assert _traces(hash_seed=1) == _traces(hash_seed=2)


def _traces(hash_seed: int) -> list[str]:
    told = subprocess.run(
        [sys.executable, "-c", _PRINT_TRACES],
        env={**os.environ, "PYTHONHASHSEED": str(hash_seed)},
        capture_output=True,
        text=True,
        check=True,
    )
    return told.stdout.split()


def test_what_never_happened_is_named() -> None:
    assert never_happened(Counter({"kills": 3, "builds": 0})) == ["builds"]


def test_the_command_repeats_one_seed() -> None:
    told = CliRunner().invoke(main, ["--seed", "0", "--plan"])
    assert told.exit_code == 0, told.output
    assert f"trace {run_seed(0).trace}" in told.output
    assert "Manners(" in told.output


def test_the_command_names_failed_seeds_and_how_to_repeat_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(seed: int, names: object) -> Outcome:
        return Outcome(seed, "Violation: made up" if seed == 4 else "", {}, "", 0.0)

    monkeypatch.setattr("recipes.testing.campaign.run_named", fail)
    told = CliRunner().invoke(main, ["--seeds", "6", "--jobs", "1"])
    assert told.exit_code == 1
    assert "seed 4 FAILED: Violation: made up" in told.output
    assert "replay: python -m recipes.testing.sim --seed 4 --trace" in told.output
