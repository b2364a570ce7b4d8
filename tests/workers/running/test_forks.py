"""What jobs start beside themselves: forked copies, other programs, handlers of signals."""

import asyncio
import os
import signal
from pathlib import Path
from unittest.mock import Mock

import pytest

from coord.testing.local import LocalCluster, in_loop
from coord.testing.local_cluster import wait_for
from workers.model.job import Job
from workers.model.states import State
from workers.running.child_process import ChildProcess
from workers.store.jobs import JobStore
from workers.testing.at_work import working
from workers.testing.endings import ended, result

pytestmark = pytest.mark.integration


@pytest.fixture
def store() -> JobStore:
    return JobStore(LocalCluster().client())


def is_gone(pid: int) -> bool:
    """Tell whether a process has ended; one that nobody has collected yet has."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return True
    return stat.rpartition(")")[2].split()[0] == "Z"


@in_loop
async def test_what_a_job_has_forked_can_be_terminated(app: str, store: JobStore) -> None:
    async with working(store.client, app):
        ending = await ended(store, Job("terminate_another", hard_limit_ms=20_000, attempts_max=1))
    assert result(ending) == -signal.SIGTERM


@in_loop
async def test_a_forked_copy_of_a_job_answers_nothing(app: str, store: JobStore) -> None:
    async with working(store.client, app):
        returned = await ended(store, Job("fork_and_return", {"code": None}, attempts_max=1))
        exited = await ended(store, Job("fork_and_return", {"code": 3}, attempts_max=1))
        in_thread = await ended(store, Job("fork_in_thread", attempts_max=1))
        after = [await ended(store, Job("double", {"number": 1})) for _ in range(3)]
    assert [result(each) for each in (returned, exited, in_thread)] == ["own 0", "own 3", "own 0"]
    assert [each.state for each in after] == [State.DONE] * 3


@in_loop
async def test_programs_a_job_has_started_die_with_it_and_hold_nobody_up(
    app: str, store: JobStore, tmp_path: Path
) -> None:
    args: dict[str, object] = {"folder": str(tmp_path)}
    job = Job("hang_with_others", args, hard_limit_ms=1000, attempts_max=1)
    async with working(store.client, app):
        ending = await ended(store, job)
        after = await ended(store, Job("double", {"number": 1}))
    near, far = (int((tmp_path / name).read_text()) for name in ("near", "far"))
    wait_for(lambda: is_gone(near), 10, lambda: f"process {near} goes on")
    assert not is_gone(far)
    os.kill(far, signal.SIGKILL)
    assert ending.cause == "hard limit of 1000 ms exceeded"
    assert after.state is State.DONE


class _Transport(asyncio.SubprocessTransport):
    """Of a process that has ended."""

    def get_returncode(self) -> int:
        return 0

    def get_pipe_transport(self, fd: int) -> None:
        """Return none: they are closed."""

    def close(self) -> None:
        """Do nothing."""


@in_loop
async def test_a_child_that_ended_is_told_of_once_though_its_loop_says_it_twice() -> None:
    employer = Mock()
    child = ChildProcess(employer, Mock(), concurrent=False)
    child.connection_made(_Transport())
    child.connection_lost(None)
    child.connection_lost(None)
    employer.died.assert_called_once_with(child, [], "child process exited with code 0")


@in_loop
async def test_a_job_that_takes_the_alarm_leaves_later_ones_their_soft_limit(
    app: str, store: JobStore
) -> None:
    async with working(store.client, app):
        await ended(store, Job("take_alarm"))
        caught = await ended(
            store, Job("catch_soft_limit", soft_limit_ms=30, hard_limit_ms=20_000, attempts_max=1)
        )
    assert result(caught) == "stopped in time"
