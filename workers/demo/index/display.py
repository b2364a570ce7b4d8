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
    """A bar for the whole, and one for each task that reports progress."""

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
        self._whole: TaskID | None = None
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
        if view.plan is not None:
            if self._whole is None:
                self._whole = self._bars.add_task("batches", total=view.plan.batches, message="")
            words = f"builder {view.builder or 'to be elected'}, {view.retries} retried"
            self._bars.update(self._whole, completed=len(view.done), message=words)
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
        self._tenths = 0
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
        if view.plan is None:
            return
        tenths = 10 * len(view.done) // max(view.plan.batches, 1)
        if tenths != self._tenths:
            self._tenths = tenths
            holding = ", ".join(f"{p.by} {p.message}" for p in view.progress.values() if p.message)
            self.say(f"batches: {len(view.done)} of {view.plan.batches} done   {holding}")
        merging = view.progress.get("merge")
        if merging is not None and merging.total:
            halves = 2 * merging.done // merging.total
            if halves != self._merge:
                self._merge = halves
                self.say(f"merge: {merging.done} of {merging.total} partials by {merging.by}")


def make_display(bars: bool) -> Display:
    """Return bars for a terminal, else lines."""
    return Bars(Console(stderr=True)) if bars else Lines()
