"""An application's functions as a test kit runs them: by its clock, and failing when told to."""

from collections import deque
from collections.abc import Mapping

import attrs

from workers.app.app import App
from workers.app.running import Runnable
from workers.running.context import JobContext
from workers.timer import Timer


class KitFunctions:
    """See `workers.running.functions.Functions`."""

    def __init__(self, app: App, timer: Timer) -> None:
        self._app = app
        self._timer = timer
        self._failures: dict[str, deque[BaseException]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Every name, sorted."""
        return self._app.names

    def find(self, name: str) -> "KitFunction | None":
        """Return the function of a name, if there is one."""
        found = self._app.find(name)
        if found is None:
            return None
        failures = self._failures.get(name, deque())
        return KitFunction(attrs.evolve(found, timer=self._timer), failures)

    def fail_next(self, name: str, error: BaseException, times: int) -> None:
        """Have the next attempts at jobs of a name raise `error` in place of being run.

        Raises:
            UnknownFunction: there is none of this name.
        """
        self._app.job_type(name)
        self._failures.setdefault(name, deque()).extend([error] * times)


@attrs.frozen
class KitFunction:
    """See `workers.running.functions.JobFunction`."""

    _runnable: Runnable
    _failures: deque[BaseException]

    @property
    def run_in(self) -> str:
        """Where it wants to run."""
        return self._runnable.run_in

    def call(self, context: JobContext, args: Mapping[str, object]) -> object:
        """Call the function, unless it is to fail."""
        if self._failures:
            raise self._failures.popleft()
        return self._runnable.call(context, args)
