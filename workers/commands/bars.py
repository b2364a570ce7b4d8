"""Progress of jobs on stderr: bars with a sum below them on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol, Self

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from recipes.progress import Progress
from workers.model.states import State

BARS_MAX = 20  # at once; the sum covers all
LINES_APART_S = 1.0  # for each job


class Bars(Protocol):
    """Shows how far jobs are; a context manager."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...

    def show(self, tasks: Mapping[str, Progress]) -> None:
        """Take over what those that run have reported."""
        ...

    def end(self, job: str, state: State) -> None:
        """Take over that one has ended."""
        ...


def bars_for(jobs: Sequence[str]) -> Bars:
    """Return what suits stderr."""
    return Drawn(jobs) if sys.stderr.isatty() else Lines(jobs)


class Sum:
    """The roll-up of several jobs: each counts as one, those that run by how far they are."""

    def __init__(self, jobs: Iterable[str]) -> None:
        self._shares = dict.fromkeys(jobs, 0.0)
        self._running: set[str] = set()
        self._ended: set[str] = set()
        self.failed = 0

    @property
    def total(self) -> int:
        """How many jobs there are."""
        return len(self._shares)

    @property
    def running(self) -> int:
        """How many say how far they are."""
        return len(self._running)

    @property
    def ended(self) -> int:
        """How many have ended."""
        return len(self._ended)

    @property
    def done(self) -> float:
        """How many are done, parts included."""
        return sum(self._shares.values())

    def show(self, tasks: Mapping[str, Progress]) -> None:
        """Take over reports; what is still said of a job that has ended is old."""
        self._running = (self._shares.keys() & tasks.keys()) - self._ended
        for job in self._running:
            self._shares[job] = max(self._shares[job], share(tasks[job]))

    def end(self, job: str, state: State) -> None:
        """Take over an end."""
        self._shares[job] = 1.0
        self._running.discard(job)
        self._ended.add(job)
        self.failed += state is not State.DONE

    def __str__(self) -> str:
        return f"{self.ended} of {self.total} ended, {self.failed} failed, {self.running} running"


class Lines:
    """A line for each news of a job, at most one a second."""

    def __init__(self, jobs: Sequence[str], now_s: Callable[[], float] = time.monotonic) -> None:
        self._sum = Sum(jobs)
        self._jobs = frozenset(jobs)
        self._now_s = now_s
        self._told: dict[str, tuple[float, Progress]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def show(self, tasks: Mapping[str, Progress]) -> None:
        """Print what is new and not told within the last second."""
        self._sum.show(tasks)
        now_s = self._now_s()
        for job, progress in tasks.items():
            told_s, told = self._told.get(job, (0.0, None))
            due = told is None or now_s - told_s >= LINES_APART_S
            if job in self._jobs and progress != told and due:
                self._told[job] = (now_s, progress)
                click.echo(f"{job} {_far(progress)} {progress.message}".rstrip(), err=True)

    def end(self, job: str, state: State) -> None:
        """Print that it has ended; with several, how many have."""
        self._sum.end(job, state)
        summed = f" ({self._sum})" if self._sum.total > 1 else ""
        click.echo(f"{job} {state.value}{summed}", err=True)


class Drawn:
    """Live bars: one for each job that runs, and one for all."""

    def __init__(self, jobs: Sequence[str]) -> None:
        self._sum = Sum(jobs)
        self._jobs = frozenset(jobs)
        self._bars: dict[str, TaskID] = {}
        self._rich = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[message]}"),
            console=Console(stderr=True),
        )
        self._all = self._rich.add_task("all", total=len(jobs), message="", visible=len(jobs) > 1)

    def __enter__(self) -> Self:
        self._rich.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._rich.stop()

    def show(self, tasks: Mapping[str, Progress]) -> None:
        """Move the bars; one whose job is no longer reported on stays until that has ended."""
        self._sum.show(tasks)
        for job in sorted(self._jobs & tasks.keys()):
            bar = self._bar(job)
            if bar is not None:
                progress = tasks[job]
                self._rich.update(
                    bar,
                    completed=progress.done,
                    total=progress.total or None,
                    message=progress.message,
                )
        self._sum_up()

    def end(self, job: str, state: State) -> None:
        """Take the job's bar away: others need the room."""
        self._sum.end(job, state)
        if (bar := self._bars.pop(job, None)) is not None:
            self._rich.remove_task(bar)
        self._sum_up()

    def _bar(self, job: str) -> TaskID | None:
        if job not in self._bars and len(self._bars) < BARS_MAX:
            self._bars[job] = self._rich.add_task(job, total=None, message="")
        return self._bars.get(job)

    def _sum_up(self) -> None:
        self._rich.update(self._all, completed=self._sum.done, message=str(self._sum))


def share(progress: Progress) -> float:
    """Return how far a job is, from 0 to 1; 0 where it does not know its total."""
    return min(1.0, max(0.0, progress.done / progress.total)) if progress.total > 0 else 0.0


def _far(progress: Progress) -> str:
    return f"{progress.done}/{progress.total}" if progress.total else str(progress.done)
