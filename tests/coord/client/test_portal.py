"""Work handed to the thread with the event loop, and what comes back from it."""

import asyncio
import inspect
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import FrameType

import pytest

from coord.client.event_loop import new_event_loop, run
from coord.client.portal import Portal, _Errand
from coord.errors import Misuse

PATIENCE_S = 10.0


@pytest.fixture
def portal() -> Iterator[Portal]:
    made = Portal()
    yield made
    made.stop()


async def _double(number: int) -> int:
    await asyncio.sleep(0)
    return 2 * number


async def _fail() -> None:
    raise LookupError("no such thing")


def test_what_a_coroutine_returns_or_raises_comes_back(portal: Portal) -> None:
    assert portal.run(_double(21)) == 42
    with pytest.raises(LookupError, match="no such thing"):
        portal.run(_fail())


def test_many_threads_get_their_own_answers(portal: Portal) -> None:
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda number: portal.run(_double(number)), range(500)))
    assert found == [2 * number for number in range(500)]


def test_who_is_interrupted_leaves_nothing_running(portal: Portal) -> None:
    ended = threading.Event()

    async def for_ever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    class _Interrupted(BaseException):
        pass

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise _Interrupted

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(_Interrupted):
            portal.run(for_ever())
    finally:
        signal.signal(signal.SIGALRM, before)
    assert ended.wait(PATIENCE_S)
    assert portal.run(_double(1)) == 2


def test_what_was_interrupted_before_it_began_is_dropped_without_a_word() -> None:
    loop = new_event_loop()
    work = _double(1)
    errand = _Errand(work, loop)
    errand.begin()
    errand.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    loop.run_until_complete(asyncio.sleep(0))
    assert inspect.getcoroutinestate(work) == inspect.CORO_CLOSED
    loop.close()


def test_a_stopped_portal_and_its_own_thread_are_refused(portal: Portal) -> None:
    async def inside() -> None:
        portal.run(_double(1))

    with pytest.raises(Misuse, match="must not wait for it"):
        portal.run(inside())
    other = Portal()
    other.stop()
    other.stop()
    with pytest.raises(Misuse, match="is closed"):
        other.run(_double(1))


def test_a_loop_is_uvloops_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    made = new_event_loop()
    assert type(made).__module__.startswith("uvloop")
    made.close()
    monkeypatch.setitem(sys.modules, "uvloop", None)
    plain = new_event_loop()
    assert type(plain).__module__.startswith("asyncio")
    plain.close()
    assert run(_double(4)) == 8


def test_run_ends_with_what_the_work_returned() -> None:
    assert run(_double(3)) == 6
    with pytest.raises(LookupError):
        run(_fail())
