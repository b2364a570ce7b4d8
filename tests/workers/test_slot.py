"""A slot's child process: its answers, its death, its end. Real processes."""

import asyncio
import json
import os
import signal
from pathlib import Path

import pytest

from coord.testing.local import in_loop, settle
from workers.jobs import Failed, Finished
from workers.slot import AppNotLoaded, Slot
from workers.wire import Report, Run

pytestmark = pytest.mark.integration


def ignore(report: Report) -> None:
    """Take no notice."""


@in_loop
async def test_a_job_reports_and_answers_and_the_child_serves_the_next_one(app: str) -> None:
    slot = Slot(app)
    reports: list[Report] = []
    first = await slot.run(Run("a", "double", 1, {"number": 21}), reports.append)
    second = await slot.run(Run("b", "double", 2, {"number": 1}), reports.append)
    await slot.stop()
    assert isinstance(first, Finished)
    assert isinstance(second, Finished)
    one, two = json.loads(first.result), json.loads(second.result)
    assert (one["number"], two["number"], two["attempt"]) == (42, 2, 2)
    assert one["pid"] == two["pid"] != os.getpid()
    assert reports == [Report(1, 2, "half")] * 2


@in_loop
async def test_an_exception_is_a_failure_with_its_traceback(app: str) -> None:
    slot = Slot(app)
    outcome = await slot.run(Run("a", "raise", 1, {}), ignore)
    await slot.stop()
    assert isinstance(outcome, Failed)
    assert "LookupError: nothing there" in outcome.cause
    assert outcome.again


@in_loop
async def test_wrong_arguments_are_a_failure_of_the_job(app: str) -> None:
    slot = Slot(app)
    outcome = await slot.run(Run("a", "double", 1, {"nummer": 1}), ignore)
    await slot.stop()
    assert isinstance(outcome, Failed)
    assert "TypeError" in outcome.cause


@in_loop
async def test_a_name_nobody_registered_fails_for_good_and_says_what_there_is(app: str) -> None:
    slot = Slot(app)
    outcome = await slot.run(Run("a", "nothing", 1, {}), ignore)
    await slot.stop()
    assert isinstance(outcome, Failed)
    assert not outcome.again
    assert "double" in outcome.cause


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
@in_loop
async def test_a_child_killed_by_a_signal_is_a_failed_attempt_of_that_cause(
    app: str, number: signal.Signals
) -> None:
    slot = Slot(app)
    outcome = await slot.run(Run("a", "die", 1, {"number": int(number)}), ignore)
    assert outcome == Failed(f"child process killed by {number.name}")
    after = await slot.run(Run("b", "double", 1, {"number": 1}), ignore)
    await slot.stop()
    assert isinstance(after, Finished)


@in_loop
async def test_a_child_that_exits_is_a_failed_attempt(app: str) -> None:
    slot = Slot(app)
    outcome = await slot.run(Run("a", "exit", 1, {}), ignore)
    await slot.stop()
    assert isinstance(outcome, Failed)
    assert outcome.cause == "child process exited with code 3"


@in_loop
async def test_a_child_that_died_idle_is_replaced_and_no_job_is_blamed(app: str) -> None:
    slot = Slot(app)
    await slot.run(Run("a", "double", 1, {"number": 1}), ignore)
    pid = slot.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    while slot.pid is not None:
        await settle()
    after = await slot.run(Run("b", "double", 1, {"number": 1}), ignore)
    await slot.stop()
    assert isinstance(after, Finished)


@in_loop
async def test_an_application_that_cannot_be_imported_is_no_jobs_failure() -> None:
    slot = Slot("no.such.module:registry")
    with pytest.raises(AppNotLoaded, match=r"no\.such\.module"):
        await slot.run(Run("a", "double", 1, {"number": 1}), ignore)
    assert slot.pid is None


@in_loop
async def test_a_cancelled_job_does_not_go_on(app: str, tmp_path: Path) -> None:
    slot = Slot(app)
    started = asyncio.Event()
    run = Run("a", "hang", 1, {"started": str(tmp_path / "pid")})
    running = asyncio.create_task(slot.run(run, lambda report: started.set()))
    await started.wait()
    pid = int((tmp_path / "pid").read_text())
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert slot.pid is None
