"""A job function with a name and options: what the decorator makes of a function."""

import functools
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, Unpack

from workers.app.call import Call
from workers.app.handle import AsyncJobHandle, JobHandle
from workers.app.options import JobOptions, OptionChanges
from workers.app.signature import Signature

P = ParamSpec("P")
R = TypeVar("R")


class Enqueuing(Protocol):
    """What a job asks of its application."""

    def enqueue(self, call: Call[R]) -> JobHandle[R]:
        """Enqueue a call, blocking."""
        ...

    async def enqueue_async(self, call: Call[R]) -> AsyncJobHandle[R]:
        """Enqueue a call."""
        ...


class JobType(Generic[P, R]):
    """A declared job. Called, it is the function it was made from; enqueued, a worker runs that."""

    def __init__(
        self,
        app: Enqueuing,
        name: str,
        function: Callable[..., Any],
        signature: Signature,
        options: JobOptions,
    ) -> None:
        self._app = app
        self.signature = signature
        self.name = name
        self.function = function
        self.default_options = options
        functools.update_wrapper(self, function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function here and now, with its context if it takes one."""
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<job {self.name}>"

    def options(self, **changes: Unpack[OptionChanges]) -> "JobType[P, R]":
        """Return the same job with some options changed, for this call or for many.

        Raises:
            Misuse: there is no such option, or its value is none.
        """
        options = self.default_options.changed(changes)
        return JobType(self._app, self.name, self.function, self.signature, options)

    def call(self, *args: P.args, **kwargs: P.kwargs) -> Call[R]:
        """Return a checked call, to be enqueued with others or spawned.

        Raises:
            BadArguments: the arguments do not fit the function; names the one.
        """
        plain = self.signature.bind(args, kwargs)
        return Call(self.name, plain, self.default_options, self.signature.returns)

    def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> JobHandle[R]:
        """Enqueue a job, blocking; see `enqueue_async`."""
        return self._app.enqueue(self.call(*args, **kwargs))

    async def enqueue_async(self, *args: P.args, **kwargs: P.kwargs) -> AsyncJobHandle[R]:
        """Enqueue a job and return a handle on it.

        Raises:
            BadArguments: the arguments do not fit the function; nothing was enqueued.
            DuplicateJob: its unique key is taken; nothing was enqueued.
            NotDone: nothing was enqueued.
            MaybeDone: it may have been. Repeating is safe with a unique key whose policy is
                "keep".
        """
        return await self._app.enqueue_async(self.call(*args, **kwargs))
