"""What a child asks of the application: job functions by name."""

from collections.abc import Mapping
from typing import Protocol

from workers.app.load import load_app
from workers.running.context import JobContext


class JobFunction(Protocol):
    """One job function."""

    @property
    def run_in(self) -> str:
        """Where it wants to run: "child", "thread" or "loop"."""
        ...

    def call(self, context: JobContext, args: Mapping[str, object]) -> object:
        """Check the arguments and call the function; an async one gives a coroutine.

        Raises:
            BadArguments: they do not fit; the function was not called.
        """
        ...


class Functions(Protocol):
    """Job functions by name."""

    @property
    def names(self) -> tuple[str, ...]:
        """Every name, sorted."""
        ...

    def find(self, name: str) -> JobFunction | None:
        """Return the function of a name, if there is one."""
        ...


def load_functions(path: str) -> Functions:
    """Import the application at "package.module:attribute".

    Raises:
        AppNotFound: it cannot be imported, or is none.
    """
    return load_app(path)
