"""What the simulators' commands print: of one run, and of a whole campaign while it goes on."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

import click

from coord.testing.campaign import Outcome

_FULL_SEEDS = 200  # fewer cannot be expected to see everything happen
_FAILURES_MAX = 20  # then the campaign ends: more of the same teaches nothing
_PROGRESS_S = 5.0
_FAILURE_CHARS = 1_500

NeverHappened = Callable[[Counter[str]], list[str]]


def tell_run(outcome: Outcome) -> int:
    """Tell how one run went; returns the exit code."""
    _tell_counts(outcome.counts)
    click.echo(f"trace {outcome.trace}, {outcome.wall_s:.2f} s")
    if outcome.failure:
        click.echo(f"seed {outcome.seed} FAILED\n{outcome.failure}")
        return 1
    return 0


def tell_campaign(
    outcomes: Iterable[Outcome], seeds: int, replay: str, never_happened: NeverHappened
) -> int:
    """Tell of each run that failed as it comes, and of all of them in the end.

    Args:
        outcomes: of the runs, in any order; not asked for any more once too many failed.
        seeds: how many there will be.
        replay: the command that repeats a run, with "{seed}" where its seed belongs.
        never_happened: names what a full campaign should have seen and did not.

    Returns:
        The exit code: 1 where a run failed, or something never happened.
    """
    totals: Counter[str] = Counter()
    failed: list[int] = []
    done = 0
    started = told = time.monotonic()
    for done, outcome in enumerate(outcomes, 1):
        totals.update(outcome.counts)
        if outcome.failure:
            failed.append(outcome.seed)
            click.echo(f"seed {outcome.seed} FAILED: {_short(outcome.failure)}")
            if len(failed) == _FAILURES_MAX:
                click.echo(f"stopped after {done} seeds: {_FAILURES_MAX} failed")
                break
        if time.monotonic() - told > _PROGRESS_S:
            told = time.monotonic()
            click.echo(f"{done} of {seeds} seeds, {len(failed)} failed")
    _tell_counts(totals)
    click.echo(f"{done} seeds in {time.monotonic() - started:.0f} s, {len(failed)} failed")
    missing = never_happened(totals) if seeds >= _FULL_SEEDS else []
    for name in missing:
        click.echo(f"never happened: {name}")
    for seed in sorted(failed):
        click.echo(f"replay: {replay.format(seed=seed)}")
    return 1 if failed or missing else 0


def _tell_counts(counts: Mapping[str, int]) -> None:
    for name, number in sorted(counts.items()):
        click.echo(f"{number:12}  {name}")


def _short(failure: str) -> str:
    if len(failure) < _FAILURE_CHARS:
        return failure
    return f"{failure[: _FAILURE_CHARS // 2]} ... {failure[-_FAILURE_CHARS // 2 :]}"
