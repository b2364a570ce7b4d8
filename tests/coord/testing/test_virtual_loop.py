"""Coroutines in virtual time: one order, no waiting, no busy loop, no error unheard."""

import asyncio
from collections.abc import Iterator

import pytest

from coord.testing.violation import Violation
from coord.testing.virtual_loop import VirtualLoop, pause


class _Bench:
    """A loop and its time."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.woken = 0
        self.loop = VirtualLoop(lambda: self.now_s, self._wake)

    def _wake(self) -> None:
        self.woken += 1


@pytest.fixture(name="bench")
def _bench() -> Iterator[_Bench]:
    bench = _Bench()
    yield bench
    bench.loop.close()


def test_a_turn_runs_all_that_is_ready_and_tells_how_long_to_wait(bench: _Bench) -> None:
    seen: list[str] = []

    async def program() -> None:
        seen.append("began")
        await pause(3.0)
        seen.append("slept")

    bench.loop.create_task(program())
    assert bench.loop.turn() == pytest.approx(3.0)
    assert seen == ["began"]
    bench.now_s += 3.0
    assert bench.loop.turn() is None
    assert seen == ["began", "slept"]
    assert not bench.loop.living


def test_a_timeout_ends_by_the_loops_own_clock(bench: _Bench) -> None:
    async def program() -> bool:
        try:
            async with asyncio.timeout(5.0):
                await asyncio.Event().wait()
        except TimeoutError:
            return True
        return False

    task = bench.loop.create_task(program())
    assert bench.loop.turn() == pytest.approx(5.0)
    bench.now_s += 5.0
    bench.loop.turn()
    assert task.result()


def test_a_reader_is_called_once_for_each_change_it_is_told_of(bench: _Bench) -> None:
    calls: list[str] = []
    bench.loop.add_reader(7, calls.append, "seven")
    bench.loop.readable(7)
    bench.loop.readable(8)
    bench.loop.turn()
    assert calls == ["seven"]
    assert bench.woken == 1
    assert bench.loop.remove_reader(7)
    bench.loop.readable(7)
    bench.loop.turn()
    assert calls == ["seven"]


def test_tasks_in_a_set_come_in_the_order_of_their_making(bench: _Bench) -> None:
    async def program() -> None:
        tasks = [asyncio.create_task(pause(1), name=f"t{n}") for n in range(20)]
        assert list(set(reversed(tasks))) == tasks
        done, _ = await asyncio.wait(tasks)
        assert list(done) == tasks

    task = bench.loop.create_task(program())
    bench.loop.turn()
    bench.now_s += 1
    bench.loop.turn()
    task.result()


def test_a_loop_that_never_rests_is_an_error(bench: _Bench) -> None:
    async def busy() -> None:
        while True:
            await pause(0)

    task = bench.loop.create_task(busy(), name="bee")
    with pytest.raises(Violation, match=r"busy loop.*bee"):
        bench.loop.turn()
    task.cancel()
    bench.loop.turn()


def test_an_error_in_a_callback_is_told(bench: _Bench) -> None:
    bench.loop.call_soon(int, "no number")
    with pytest.raises(Violation, match="no number"):
        bench.loop.turn()
