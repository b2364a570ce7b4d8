"""The types of `@app.job`: what a function becomes, with or without a context as first parameter.

Types only; `App.job` does the work.
"""

from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, Literal, ParamSpec, Protocol, TypeVar, overload

from workers.app.context import Context
from workers.app.job_type import JobType

P = ParamSpec("P")
R = TypeVar("R")
RunIn = Literal["child", "thread", "loop"]


class Declaring(Protocol):
    """`@app.job(...)`: takes a function, sync or async, and returns the job."""

    @overload
    def __call__(
        self, function: Callable[Concatenate[Context, P], Coroutine[Any, Any, R]]
    ) -> JobType[P, R]: ...
    @overload
    def __call__(self, function: Callable[Concatenate[Context, P], R]) -> JobType[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]]) -> JobType[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R]) -> JobType[P, R]: ...
