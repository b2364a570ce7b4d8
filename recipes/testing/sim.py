"""The campaign's command: `python -m recipes.testing.sim --seeds 500 --jobs 2`.

With `--seed N` one run is repeated, with `--trace` line by line. Exit code 1 says that some
promise was broken, or that something the campaign is for never happened.
"""

import sys

import click

from coord.testing.telling import tell_campaign, tell_run
from recipes.testing.campaign import draw_run, never_happened, parts_named, run_campaign, run_named
from recipes.testing.cast import PARTS


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
    return tell_run(run_named(seed, parts, click.echo if trace else None))


def _run_many(seeds: range, jobs: int, parts: tuple[str, ...]) -> int:
    only = "".join(f' --part "{name}"' for name in parts)
    replay = f"python -m recipes.testing.sim --seed {{seed}}{only} --trace"
    return tell_campaign(run_campaign(seeds, jobs, parts), len(seeds), replay, never_happened)


if __name__ == "__main__":
    main()
