"""An application: its jobs by name, and how it reaches its cluster.

    app = App()

    @app.job(queue="mail", attempts_max=3)
    def send(to: str, body: str = "") -> int: ...

    handle = send.enqueue("ann@example.org")        # from anywhere
    handle.result(timeout_s=30)                     # once a worker has run it

Making one connects to nothing. Methods ending in `_async` are for event loops, the others block.
"""

import inspect
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar, Unpack, cast, overload

from coord import aio
from coord.client.ops import Text, key_bytes
from coord.client.settings import ReadFrom
from coord.errors import ErrorCode, Misuse
from recipes.blocking import Face
from workers.app.call import Call
from workers.app.connections import Connect, Connections
from workers.app.context import Context
from workers.app.declaring import Declaring, RunIn
from workers.app.handle import AsyncJobHandle, JobHandle
from workers.app.hooks import Hooks
from workers.app.job_type import JobType
from workers.app.options import JobOptions, OptionChanges
from workers.app.running import Runnable
from workers.app.signature import Signature
from workers.errors import UnknownFunction
from workers.model.ids import JobId
from workers.model.names import check_name
from workers.model.places import SPACE_DEFAULT, Places
from workers.port import JobClient
from workers.store.jobs import JobStore
from workers.timer import Timer, WallTimer

P = ParamSpec("P")
R = TypeVar("R")


class App:
    """The jobs of one application."""

    def __init__(
        self,
        endpoints: str | Iterable[str] | None = None,
        *,
        space: Text = SPACE_DEFAULT,
        hooks: Iterable[Hooks] = (),
        timer: Timer | None = None,
        connect: Connect | None = None,
        read_from: ReadFrom = "leader",
    ) -> None:
        """Make an application without jobs.

        Args:
            endpoints: as `coord.connect` takes them. None: COORD_ENDPOINTS, else the embedded
                default of this machine.
            space: the prefix of all its keys; applications and workers that share it share queues.
            hooks: what is done around every job; the first is outermost.
            timer: another clock, for tests.
            connect: another way to make clients, for tests; `endpoints` is then of no use.
            read_from: as `coord.connect` takes it. The leader is the first to know that a job has
                ended; "any" spreads many who wait over all nodes.
        """
        self.places = Places(key_bytes(space))
        self.timer = timer or WallTimer()
        self.hooks = tuple(hooks)
        self._endpoints = endpoints
        self._read_from = read_from
        self._connections = Connections(connect or self._connect, self.places, self.timer)
        self._jobs: dict[str, JobType[..., Any]] = {}
        self._runnables: dict[str, Runnable] = {}

    # --- declaring ------------------------------------------------------------------------------

    @overload
    def job(
        self, function: Callable[Concatenate[Context, P], Coroutine[Any, Any, R]], /
    ) -> JobType[P, R]: ...
    @overload
    def job(self, function: Callable[Concatenate[Context, P], R], /) -> JobType[P, R]: ...
    @overload
    def job(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> JobType[P, R]: ...
    @overload
    def job(self, function: Callable[P, R], /) -> JobType[P, R]: ...
    @overload
    def job(
        self,
        *,
        name: str | None = None,
        run_in: RunIn | None = None,
        **options: Unpack[OptionChanges],
    ) -> Declaring: ...
    def job(  # type: ignore[misc]  # mypy does not see that **Any takes every Unpack
        self,
        function: Callable[..., Any] | None = None,
        /,
        *,
        name: str | None = None,
        run_in: RunIn | None = None,
        **options: Any,
    ) -> Any:
        """Declare a function as a job: `@app.job`, `@app.job(queue="mail")`.

        Args:
            function: the function, where there is nothing else to say.
            name: under which workers know it; None for the function's own.
            run_in: "child" process (the default), "thread", or "loop", the default and the only
                choice for `async def`.
            options: see JobOptions.

        Raises:
            Misuse: when the decorated module is imported: the name is taken or none, an option
                is none, or the function takes nameless arguments.
        """
        given = JobOptions().changed(cast("OptionChanges", options))

        def declare(function: Callable[..., Any]) -> JobType[..., Any]:
            job_name = check_name("job", name or str(getattr(function, "__name__", "")))
            if job_name in self._jobs:
                raise Misuse(f"there is a job {job_name!r} already", ErrorCode.INVALID_OPTION)
            signature = Signature(job_name, function)
            place = _place(job_name, function, run_in)
            is_async = inspect.iscoroutinefunction(function)
            self._runnables[job_name] = Runnable(
                place, is_async, function, signature, self.hooks, self.timer
            )
            job = self._jobs[job_name] = JobType(self, job_name, function, signature, given)
            return job

        return declare if function is None else declare(function)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its jobs, sorted."""
        return tuple(sorted(self._jobs))

    def find(self, name: str) -> Runnable | None:
        """Return the function of a name as a worker runs it; None where there is none."""
        return self._runnables.get(name)

    def job_type(self, name: str) -> JobType[..., Any]:
        """Return a job by its name.

        Raises:
            UnknownFunction: there is none; says which there are.
        """
        found = self._jobs.get(name)
        if found is None:
            known = ", ".join(self.names) or "none"
            raise UnknownFunction(
                f"no job named {name!r}; there are: {known}", ErrorCode.INVALID_OPTION
            )
        return found

    # --- enqueuing ------------------------------------------------------------------------------

    async def enqueue_async(self, call: Call[R]) -> AsyncJobHandle[R]:
        """Enqueue a call; see `JobType.enqueue_async`."""
        call = self._hooked(call)
        new = call.new_job(self.timer.now_unix_ms())
        store = await self.store()
        job_id = await store.enqueue(new.queue, new.job, new.priority, new.when_taken)
        return AsyncJobHandle(store, job_id, call.returns)

    def enqueue(self, call: Call[R]) -> JobHandle[R]:
        """Enqueue a call, blocking."""
        return self._blocking(self.wait(self.enqueue_async(call)))

    async def enqueue_many_async(self, calls: Iterable[Call[Any]]) -> list[AsyncJobHandle[Any]]:
        """Enqueue calls in their order, about a thousand in a transaction.

        Each transaction is done whole or not at all; when one raises, those before it stand.

        Raises:
            DuplicateJob, NotDone, MaybeDone: as `JobType.enqueue_async`.
        """
        hooked = [self._hooked(call) for call in calls]
        now = self.timer.now_unix_ms()
        store = await self.store()
        ids = await store.enqueue_many(call.new_job(now) for call in hooked)
        return [
            AsyncJobHandle(store, job_id, call.returns)
            for job_id, call in zip(ids, hooked, strict=True)
        ]

    def enqueue_many(self, calls: Iterable[Call[Any]]) -> list[JobHandle[Any]]:
        """Enqueue calls, blocking; see `enqueue_many_async`."""
        return [self._blocking(handle) for handle in self.wait(self.enqueue_many_async(calls))]

    # --- looking --------------------------------------------------------------------------------

    async def handle_async(self, job_id: JobId | str) -> AsyncJobHandle[Any]:
        """Return a handle on any job; whether there is one shows when it is used.

        Raises:
            Misuse: this is no id.
        """
        parsed = JobId.parse(job_id) if isinstance(job_id, str) else job_id
        return AsyncJobHandle(await self.store(), parsed)

    def handle(self, job_id: JobId | str) -> JobHandle[Any]:
        """Return a blocking handle on any job; see `handle_async`."""
        return self._blocking(self.wait(self.handle_async(job_id)))

    async def store(self) -> JobStore:
        """Return the job store of the running loop: lists, counts, queues."""
        return await self._connections.store()

    @property
    def jobs(self) -> Face:
        """The job store, blocking: every method of JobStore, waited for."""
        return Face(self._connections.portal, self.wait(self.store()))

    def wait(self, work: Coroutine[Any, Any, R]) -> R:
        """Run a coroutine on the application's own thread and wait for it."""
        return self._connections.wait(work)

    @contextmanager
    def borrowed(self, connections: Connections, timer: Timer) -> Iterator[Self]:
        """Reach another cluster, by another clock, for the length of a block: see the test kit.

        Args:
            connections: in place of its own; left open.
            timer: in place of its own.
        """
        own = self._connections, self.timer
        self._connections, self.timer = connections, timer
        try:
            yield self
        finally:
            self._connections, self.timer = own

    # --- ending ---------------------------------------------------------------------------------

    def close(self) -> None:
        """Close what the blocking methods opened; they may be used again."""
        self._connections.close()

    async def aclose(self) -> None:
        """Close what the running loop opened."""
        await self._connections.leave()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        await self.store()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    def _connect(self) -> AbstractAsyncContextManager[JobClient]:
        return aio.connect(self._endpoints, read_from=self._read_from)

    def _hooked(self, call: Call[R]) -> Call[R]:
        for each in self.hooks:
            call = cast("Call[R]", each.before_enqueue(call))
        return call

    def _blocking(self, handle: AsyncJobHandle[R]) -> JobHandle[R]:
        return JobHandle(self.wait, handle)


def _place(name: str, function: Callable[..., Any], run_in: RunIn | None) -> str:
    is_async = inspect.iscoroutinefunction(function)
    if run_in is None:
        return "loop" if is_async else "child"
    if run_in not in ("child", "thread", "loop"):
        raise Misuse(f"run_in {run_in!r}; child, thread or loop", ErrorCode.INVALID_OPTION)
    if is_async is not (run_in == "loop"):
        what = "an async function runs in the loop" if is_async else "it would block the loop"
        raise Misuse(f"job {name}: run_in {run_in!r}; {what}", ErrorCode.INVALID_OPTION)
    return run_in
