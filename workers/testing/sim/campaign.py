"""Many seeds of clusters and jobs; runs, counts and outcomes are those of `recipes.testing`."""

import asyncio
import functools
import multiprocessing
import os
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from random import Random

import structlog

from coord.testing.campaign import Outcome
from recipes.testing import campaign
from recipes.testing.campaign import Run
from recipes.testing.cast import Part
from workers.testing.sim.cast import PARTS

PARTS_MAX = 2  # of one run


def draw(seed: int, names: Sequence[str] = ()) -> Run:
    """Return what a seed stands for, with some of the parts of these names; none for any."""
    return campaign.draw_run(seed, parts_of(seed, names))


def run_seed(
    seed: int, names: Sequence[str] = (), show: Callable[[str], None] | None = None
) -> Outcome:
    """Run one seed from beginning to end; see `coord.testing.campaign.run_seed`."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    try:
        return campaign.run_seed(seed, parts_of(seed, names), show)
    except asyncio.CancelledError:  # a program let it out, and nobody had cancelled that
        return Outcome(seed, traceback.format_exc(), {}, "", 0.0)
    finally:
        structlog.reset_defaults()


def run_campaign(seeds: Iterable[int], jobs: int, names: Sequence[str] = ()) -> Iterator[Outcome]:
    """Run many seeds, `jobs` at a time; outcomes come as they end."""
    run = functools.partial(run_seed, names=tuple(names))
    if jobs == 1:
        yield from map(run, seeds)
        return
    context = multiprocessing.get_context("forkserver" if os.name == "posix" else "spawn")
    with context.Pool(jobs) as pool:
        yield from pool.imap_unordered(run, seeds, chunksize=1)


def parts_of(seed: int, names: Sequence[str] = ()) -> tuple[Part, ...]:
    """Return the parts a seed is about, out of those named; none for any."""
    luck = Random(f"{seed}/parts")
    among = [part for part in PARTS if not names or part.name in names]
    return tuple(luck.sample(among, min(len(among), luck.randint(1, PARTS_MAX))))
