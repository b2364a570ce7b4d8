"""An asyncio event loop in virtual time: coroutines as they are, run one virtual instant at a time.

Whoever owns the time calls `turn`; all that is ready or due then runs, until everything waits. The
order depends on nothing but what was scheduled in which order: tasks and futures are numbered, so
that sets of them have one order, too. Readers are told by name of a descriptor, there are no files.

A loop that never comes to rest within one instant is a busy loop, and an error. So is an exception
that nobody handles.
"""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from typing import Any, TypeVar

from coord.testing.violation import Violation

T = TypeVar("T")
_ROUNDS_MAX = 5_000  # of one instant; each runs all that was ready when it began


class _NumberedTask(asyncio.Task[Any]):
    """A task whose place in a set does not depend on its address."""

    def __init__(
        self,
        coro: Coroutine[Any, Any, Any] | Generator[Any, None, Any],
        *,
        loop: "VirtualLoop",
        context: Context | None = None,
    ) -> None:
        self._number = loop.next_number()
        super().__init__(coro, loop=loop, context=context)

    def __hash__(self) -> int:
        return self._number

    def __eq__(self, other: object) -> bool:
        return self is other


class _NumberedFuture(asyncio.Future[Any]):
    """Likewise."""

    def __init__(self, *, loop: "VirtualLoop") -> None:
        self._number = loop.next_number()
        super().__init__(loop=loop)

    def __hash__(self) -> int:
        return self._number

    def __eq__(self, other: object) -> bool:
        return self is other


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs what is due whenever it is told that time has passed.

    Args:
        now_s: its clock, in seconds.
        wake: called when something became ready from outside of a turn.
    """

    def __init__(self, now_s: Callable[[], float], wake: Callable[[], None]) -> None:
        self._numbers = 0
        super().__init__()
        self._selector = self  # what BaseEventLoop waits with
        self._now_s = now_s
        self._wake = wake
        self._readers: dict[int, tuple[Callable[..., object], tuple[object, ...]]] = {}
        self._rounds = 0
        self._wait_s: float | None = None
        self.living: dict[asyncio.Task[Any], None] = {}
        """Tasks that have not ended, oldest first."""
        self.complaints: list[str] = []
        """What nobody handled."""
        self.set_task_factory(_make_task)
        self.set_exception_handler(_complain)

    def turn(self) -> float | None:
        """Run until everything waits.

        Returns:
            Seconds until the next timer is due, by this loop's clock; None when there is none.

        Raises:
            Violation: it does not come to rest, or something failed and nobody handled it.
        """
        self._rounds = 0
        self.run_forever()
        if self.complaints:
            raise Violation("; ".join(self.complaints))
        return self._wait_s

    def select(self, timeout_s: float | None) -> list[object]:
        """Wait, as BaseEventLoop asks; here that ends the turn."""
        if timeout_s == 0:
            self._rounds += 1
            if self._rounds > _ROUNDS_MAX:
                names = sorted(task.get_name() for task in self.living)
                raise Violation(f"busy loop: no rest after {_ROUNDS_MAX} rounds, tasks {names}")
        else:
            self._wait_s = timeout_s
            self.stop()
        return []

    def _process_events(self, events: list[object]) -> None:
        assert not events

    def _write_to_self(self) -> None:
        """Take note of what was scheduled by call_soon_threadsafe: nobody sleeps here."""
        self._wake()

    def next_number(self) -> int:
        """Return the number of one more task or future."""
        self._numbers += 1
        return self._numbers

    def time(self) -> float:
        """Return its clock."""
        return self._now_s()

    def create_future(self) -> asyncio.Future[Any]:
        """Make a future."""
        return _NumberedFuture(loop=self)

    def add_reader(  # type: ignore[override]
        self, fd: int, callback: Callable[..., object], *args: object
    ) -> None:
        """Have `callback` called whenever `fd` is told to be readable."""
        self._readers[fd] = callback, args

    def remove_reader(self, fd: int) -> bool:  # type: ignore[override]
        """Call it no more."""
        return self._readers.pop(fd, None) is not None

    def readable(self, fd: int) -> None:
        """Something can be read at `fd`; once told, for one change."""
        if fd in self._readers and not self.is_closed():
            callback, args = self._readers[fd]
            self.call_soon(callback, *args)
            self._wake()


def _make_task(
    loop: asyncio.AbstractEventLoop,
    coro: Coroutine[Any, Any, T] | Generator[Any, None, T],
    **options: Any,
) -> asyncio.Task[T]:
    assert isinstance(loop, VirtualLoop)
    task = _NumberedTask(coro, loop=loop, context=options.get("context"))
    if options.get("name"):
        task.set_name(options["name"])
    loop.living[task] = None
    task.add_done_callback(loop.living.pop)
    return task


def _complain(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    assert isinstance(loop, VirtualLoop)
    what = context.get("future") or context.get("handle") or ""
    loop.complaints.append(f"{context.get('message')}: {context.get('exception')!r} {what}")


async def pause(seconds: float) -> None:
    """Let a program do nothing for a while, in the time of its loop."""
    await asyncio.sleep(seconds)
