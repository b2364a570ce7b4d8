"""The campaign's command: `python -m workers.testing.sim --seeds 500`.

With `--seed N` one run is repeated, with `--trace` line by line. Exit code 1 says that something
was broken, or that something the campaign is for never happened.
"""

import sys
import time
from collections import Counter

import click

from coord.testing.campaign import Outcome
from recipes.testing.campaign import never_happened
from workers.testing.sim.campaign import draw, run_campaign, run_seed
from workers.testing.sim.cast import PARTS

_FULL_SEEDS = 200  # fewer cannot be expected to see everything happen
_FAILURES_MAX = 20  # then the campaign ends: more of the same teaches nothing
_PROGRESS_S = 5.0


@click.command()
@click.option("--seed", type=int, help="Run this one seed.")
@click.option("--seeds", default=100, show_default=True, help="How many seeds to run.")
@click.option("--first", "--start", default=0, show_default=True, help="The first of them.")
@click.option("--jobs", default=2, show_default=True, help="How many at a time.")
@click.option(
    "--part",
    "parts",
    multiple=True,
    type=click.Choice([part.name for part in PARTS]),
    help="Only runs about this; may be repeated.",
)
@click.option("--trace", is_flag=True, help="With --seed: print every line of the trace.")
@click.option("--plan", is_flag=True, help="With --seed: print what was drawn for it first.")
def main(
    seed: int | None,
    seeds: int,
    first: int,
    jobs: int,
    parts: tuple[str, ...],
    trace: bool,
    plan: bool,
) -> None:
    """Run jobs on whole clusters through seeded faults, and judge all that became of them."""
    if seed is not None:
        sys.exit(_run_one(seed, parts, trace, plan))
    sys.exit(_run_many(range(first, first + seeds), jobs, parts))


def _run_one(seed: int, parts: tuple[str, ...], trace: bool, plan: bool) -> int:
    if plan:
        run = draw(seed, parts)
        click.echo(f"{run.swarm}\n{run.manners}\n{', '.join(part.name for part in run.parts)}")
        for fault in run.plan:
            click.echo(f"{fault.at_ms:10.1f} {fault.blow}")
    outcome = run_seed(seed, parts, click.echo if trace else None)
    _tell(Counter(outcome.counts))
    click.echo(f"trace {outcome.trace}, {outcome.wall_s:.2f} s")
    if outcome.failure:
        click.echo(f"seed {seed} FAILED\n{outcome.failure}")
        return 1
    return 0


def _run_many(seeds: range, jobs: int, parts: tuple[str, ...]) -> int:
    totals: Counter[str] = Counter()
    failed: list[Outcome] = []
    done = 0
    started = told = time.monotonic()
    for done, outcome in enumerate(run_campaign(seeds, jobs, parts), 1):
        totals.update(outcome.counts)
        if outcome.failure:
            failed.append(outcome)
            click.echo(f"seed {outcome.seed} FAILED: {_short(outcome.failure)}")
            if len(failed) == _FAILURES_MAX:
                click.echo(f"stopped after {done} seeds: {_FAILURES_MAX} failed")
                break
        if time.monotonic() - told > _PROGRESS_S:
            told = time.monotonic()
            click.echo(f"{done} of {len(seeds)} seeds, {len(failed)} failed")
    _tell(totals)
    click.echo(f"{done} seeds in {time.monotonic() - started:.0f} s, {len(failed)} failed")
    missing = never_happened(totals) if len(seeds) >= _FULL_SEEDS else []
    for name in missing:
        click.echo(f"never happened: {name}")
    for outcome in sorted(failed, key=lambda outcome: outcome.seed):
        only = "".join(f' --part "{name}"' for name in parts)
        click.echo(f"replay: python -m workers.testing.sim --seed {outcome.seed}{only} --trace")
    return 1 if failed or missing else 0


def _short(failure: str) -> str:
    return failure if len(failure) < 1_500 else f"{failure[:700]} ... {failure[-800:]}"


def _tell(counts: Counter[str]) -> None:
    for name, number in sorted(counts.items()):
        click.echo(f"{number:12}  {name}")


if __name__ == "__main__":
    main()
