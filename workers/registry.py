"""Job functions by name: what a worker may be asked to run.

A registry is an object of the application's own module, and a worker's children import it by
path ("package.module:attribute"). Nothing is looked up that was not registered.
"""

import importlib
from collections.abc import Callable
from typing import Protocol, TypeVar


class JobContext(Protocol):
    """What a running job function may use beside its arguments."""

    @property
    def id(self) -> str:
        """The job's id, the same at every attempt."""
        ...

    @property
    def attempt(self) -> int:
        """Which attempt this is, from 1."""
        ...

    def report(self, done: int, total: int = 0, message: str = "") -> None:
        """Say how far the job is; cheap, and lost with the worker."""
        ...


JobFunction = Callable[..., object]
"""Called with a JobContext and the job's arguments by keyword; returns what JSON can say."""

F = TypeVar("F", bound=JobFunction)


class Registry:
    """Job functions by name."""

    def __init__(self) -> None:
        self._functions: dict[str, JobFunction] = {}

    def job(self, name: str) -> Callable[[F], F]:
        """Register the decorated function under `name`.

        Raises:
            ValueError: the name is taken.
        """

        def register(function: F) -> F:
            if name in self._functions:
                raise ValueError(f"two job functions named {name!r}")
            self._functions[name] = function
            return function

        return register

    def find(self, name: str) -> JobFunction | None:
        """Return the function registered under `name`, if there is one."""
        return self._functions.get(name)

    @property
    def names(self) -> tuple[str, ...]:
        """Every registered name, sorted."""
        return tuple(sorted(self._functions))


def load_registry(path: str) -> Registry:
    """Import the registry at "package.module:attribute".

    Raises:
        ValueError: the path is not of that form, or what is there is no Registry.
        ImportError: the module could not be imported.
    """
    module, _, attribute = path.partition(":")
    if not module or not attribute:
        raise ValueError(f"{path!r} is not of the form package.module:attribute")
    found = getattr(importlib.import_module(module), attribute, None)
    if not isinstance(found, Registry):
        raise ValueError(f"{path!r} is not a workers.registry.Registry")
    return found
