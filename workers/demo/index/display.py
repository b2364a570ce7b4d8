"""What the person in front of the screen sees while the build goes on, on standard error.

Bars on a terminal; elsewhere a line whenever something worth a line has happened.
"""

from types import TracebackType
from typing import Protocol, Self

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from workers.demo.index.view import View


class Display(Protocol):
    """Shows the build as it goes on. Entered before the first use, left after the last."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def say(self, text: str) -> None:
        """Tell of an event."""
        ...

    def show(self, view: View) -> None:
        """Show where the build stands."""
        ...


class Bars:
    """A bar for each build, and one for each job that reports progress."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Progress(
            TextColumn("{task.description:<24}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TextColumn("{task.fields[message]}", markup=False),
            console=console,
            transient=True,
        )
        self._builds: dict[str, TaskID] = {}
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._bars.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.__exit__(kind, error, trace)

    def say(self, text: str) -> None:
        """Print above the bars."""
        self._console.print(text, highlight=False, markup=False)

    def show(self, view: View) -> None:
        """Move the bars; tasks that report no more lose theirs."""
        for number, build in enumerate(view.builds, start=1):
            if build.id not in self._builds:
                self._builds[build.id] = self._bars.add_task(
                    f"build {number}, batches", total=None, message=""
                )
            words = f"builder {view.builder or 'to be elected'}, {view.retries} retried"
            self._bars.update(
                self._builds[build.id],
                total=build.batches or None,
                completed=build.parsed,
                message=words,
            )
        for name in set(self._tasks) - set(view.progress):
            self._bars.remove_task(self._tasks.pop(name))
        for name, progress in view.progress.items():
            if name not in self._tasks:
                self._tasks[name] = self._bars.add_task(progress.by, total=None, message="")
            self._bars.update(
                self._tasks[name],
                total=progress.total or None,
                completed=progress.done,
                message=progress.message,
            )


class Lines:
    """A line per event, and one for every tenth of the work."""

    def __init__(self) -> None:
        self._tenths: dict[str, int] = {}
        self._builder = ""
        self._merge = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    def say(self, text: str) -> None:
        """Print a line."""
        click.echo(text, err=True)

    def show(self, view: View) -> None:
        """Print a line when there is news."""
        if view.builder and view.builder != self._builder:
            self._builder = view.builder
            self.say(f"builder: {view.builder} is elected")
        for number, build in enumerate(view.builds, start=1):
            if not build.batches:
                continue
            tenths = 10 * build.parsed // build.batches
            if tenths != self._tenths.get(build.id):
                self._tenths[build.id] = tenths
                holding = ", ".join(
                    f"{report.by} {report.message}"
                    for report in view.progress.values()
                    if report.message
                )
                self.say(f"build {number}: {build.parsed} of {build.batches} batches   {holding}")
        for report in view.progress.values():
            if report.message == "merging" and report.total:
                halves = 2 * report.done // report.total
                if halves != self._merge:
                    self._merge = halves
                    self.say(f"merge: {report.done} of {report.total} partials by {report.by}")


def make_display(bars: bool) -> Display:
    """Return bars for a terminal, else lines."""
    return Bars(Console(stderr=True)) if bars else Lines()
