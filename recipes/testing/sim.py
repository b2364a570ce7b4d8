"""The campaign's command: `python -m recipes.testing.sim --seeds 500 --jobs 2`.

With `--seed N` one run is repeated, with `--trace` line by line. Exit code 1 says that some
promise was broken, or that something the campaign is for never happened.
"""

import sys
import time
from collections import Counter

import click

from coord.testing.campaign import Outcome
from recipes.testing.campaign import draw_run, never_happened, parts_named, run_campaign, run_named
from recipes.testing.cast import PARTS

_FULL_SEEDS = 200  # fewer cannot be expected to see everything happen
_FAILURES_MAX = 20  # then the campaign ends: more of the same teaches nothing
_PROGRESS_S = 5.0


@click.command()
@click.option("--seed", type=int, help="Run this one seed.")
@click.option("--seeds", default=100, show_default=True, help="How many seeds to run.")
@click.option("--start", default=0, show_default=True, help="The first of them.")
@click.option("--jobs", default=2, show_default=True, help="How many at a time.")
@click.option(
    "--part",
    "parts",
    multiple=True,
    type=click.Choice([part.name for part in PARTS]),
    help="Only runs about this recipe; may be repeated.",
)
@click.option("--trace", is_flag=True, help="With --seed: print every line of the trace.")
@click.option("--plan", is_flag=True, help="With --seed: print what was drawn for it first.")
def main(
    seed: int | None,
    seeds: int,
    start: int,
    jobs: int,
    parts: tuple[str, ...],
    trace: bool,
    plan: bool,
) -> None:
    """Run recipes on whole clusters through seeded faults, and judge everything they said."""
    if seed is not None:
        sys.exit(_run_one(seed, parts, trace, plan))
    sys.exit(_run_many(range(start, start + seeds), jobs, parts))


def _run_one(seed: int, parts: tuple[str, ...], trace: bool, plan: bool) -> int:
    if plan:
        run = draw_run(seed, parts_named(parts))
        click.echo(f"{run.swarm}\n{run.manners}\n{', '.join(part.name for part in run.parts)}")
        for fault in run.plan:
            click.echo(f"{fault.at_ms:10.1f} {fault.blow}")
    outcome = run_named(seed, parts, click.echo if trace else None)
    for name, value in sorted(outcome.counts.items()):
        click.echo(f"{value:10}  {name}")
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
            click.echo(f"seed {outcome.seed} FAILED: {outcome.failure[-1500:]}")
            if len(failed) == _FAILURES_MAX:
                click.echo(f"stopped after {done} seeds: {_FAILURES_MAX} failed")
                break
        if time.monotonic() - told > _PROGRESS_S:
            told = time.monotonic()
            click.echo(f"{done} of {len(seeds)} seeds, {len(failed)} failed")
    for name, value in sorted(totals.items()):
        click.echo(f"{value:12}  {name}")
    click.echo(f"{done} seeds in {time.monotonic() - started:.0f} s, {len(failed)} failed")
    missing = never_happened(totals) if len(seeds) >= _FULL_SEEDS else []
    for name in missing:
        click.echo(f"never happened: {name}")
    for outcome in sorted(failed, key=lambda outcome: outcome.seed):
        only = "".join(f' --part "{name}"' for name in parts)
        click.echo(f"replay: python -m recipes.testing.sim --seed {outcome.seed}{only} --trace")
    return 1 if failed or missing else 0


if __name__ == "__main__":
    main()
