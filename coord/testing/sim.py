"""The simulator's command: `python -m coord.testing.sim --seeds 1000 --jobs 4`.

With `--seed N` one run is repeated, with `--trace` line by line. Exit code 1 says that some
promise was broken, or that something the campaign is for never happened.
"""

import sys

import click

from coord.testing.campaign import draw_run, never_happened, run_campaign, run_seed
from coord.testing.telling import tell_campaign, tell_run


@click.command()
@click.option("--seed", type=int, help="Run this one seed.")
@click.option("--seeds", default=100, show_default=True, help="How many seeds to run.")
@click.option("--first", default=0, show_default=True, help="The first of them.")
@click.option("--jobs", default=4, show_default=True, help="How many at a time.")
@click.option("--trace", is_flag=True, help="With --seed: print every line of the trace.")
@click.option("--plan", is_flag=True, help="With --seed: print the fault plan first.")
def main(seed: int | None, seeds: int, first: int, jobs: int, trace: bool, plan: bool) -> None:
    """Run whole clusters through seeded faults and judge everything they did."""
    if seed is not None:
        sys.exit(_run_one(seed, trace, plan))
    sys.exit(_run_many(range(first, first + seeds), jobs))


def _run_one(seed: int, trace: bool, plan: bool) -> int:
    if plan:
        swarm, faults = draw_run(seed)
        click.echo(f"{swarm}")
        for fault in faults:
            click.echo(f"{fault.at_ms:10.1f} {fault.blow}")
    return tell_run(run_seed(seed, click.echo if trace else None))


def _run_many(seeds: range, jobs: int) -> int:
    replay = "python -m coord.testing.sim --seed {seed} --trace"
    return tell_campaign(run_campaign(seeds, jobs), len(seeds), replay, never_happened)


if __name__ == "__main__":
    main()
