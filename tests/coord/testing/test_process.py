"""A process of an application in a simulated world: real client, own clock, stopped and killed."""

import asyncio
import contextlib
from collections.abc import Sequence

import pytest

from coord.client.client import Client
from coord.client.settings import Settings
from coord.testing.faults import Swarm
from coord.testing.process import Main, Process
from coord.testing.violation import Violation
from coord.testing.virtual_loop import pause
from coord.testing.world import Application, World

_SWARM = Swarm(fault_ms=4_000.0, clients=0)


class _OneProcess(World):
    """A cluster on a quiet day, and one process beside it."""

    def __init__(self, main: Main, pace: float = 1.0, seed: int = 1) -> None:
        super().__init__(seed, _SWARM)
        settings = Settings(
            endpoints=tuple(f"client-{n}" for n in (1, 2, 3)),
            draw=self.schedule.stream("p").randint,
        )
        for host in self.hosts:
            host.start()
        self.process = Process("p1", self.schedule, self.network, settings, pace, main)

    def _applications(self, addresses: list[str]) -> Sequence[Application]:
        return []

    def run_until(self, end_ms: float) -> None:
        while self.schedule.step(end_ms):
            pass


async def _keep_a_key(client: Client) -> None:
    async with client.session(ttl_ms=1_000) as session:
        await client.put("k", "v", lease=session.lease)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5.0):
                await session.lost.wait()


def _has_key(world: World) -> bool:
    nodes = [host.process for host in world.hosts]
    return any(node is not None and node.store.key_count > 0 for node in nodes)


def _believed_until(world: _OneProcess) -> float | None:
    (session,) = world.process.sessions
    return session.believed_until_ms


def test_a_program_runs_against_the_cluster_and_ends() -> None:
    world = _OneProcess(_keep_a_key)
    world.run_until(4_000)
    assert _has_key(world)
    world.run_until(8_000)
    assert world.process.ended
    assert not _has_key(world)
    assert _believed_until(world) == pytest.approx(5_500, abs=1_000)


def test_killed_it_is_not_heard_of_any_more_and_its_lease_runs_out() -> None:
    world = _OneProcess(_keep_a_key)
    world.run_until(2_000)
    assert _has_key(world)
    world.process.kill()
    assert world.process.left == []
    assert _has_key(world)
    world.run_until(4_500)
    assert not _has_key(world)
    assert _believed_until(world) == 2_000


def test_stopped_beyond_its_time_to_live_it_learns_that_at_once_when_continued() -> None:
    world = _OneProcess(_keep_a_key)
    world.run_until(2_000)
    world.process.pause()
    world.run_until(4_000)
    assert not _has_key(world)
    assert _believed_until(world) is None
    world.process.resume()
    assert _believed_until(world) == 2_000
    world.run_until(4_100)
    assert world.process.ended


def test_what_a_program_raises_ends_the_run() -> None:
    async def fail(client: Client) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        _OneProcess(fail).run_until(1_000)


def test_a_task_left_behind_is_an_error() -> None:
    async def leave(client: Client) -> None:
        asyncio.create_task(pause(100), name="orphan")  # noqa: RUF006 - on purpose

    with pytest.raises(Violation, match="orphan"):
        _OneProcess(leave).run_until(1_000)


def test_its_clock_runs_at_its_own_pace() -> None:
    ended: list[float] = []

    async def sleep(client: Client) -> None:
        await pause(1.0)
        ended.append(asyncio.get_running_loop().time())

    world = _OneProcess(sleep, pace=0.5)
    world.run_until(1_900)
    assert ended == []
    world.run_until(2_100)
    assert ended == pytest.approx([1.0], abs=0.01)


def test_the_same_seed_gives_the_same_bytes() -> None:
    first, second = _OneProcess(_keep_a_key), _OneProcess(_keep_a_key)
    first.run_until(3_000)
    second.run_until(3_000)
    assert first.schedule.trace.digest() == second.schedule.trace.digest()
    first.process.kill()
    second.process.kill()
