"""`coord pipeline`, against a store in this process."""

import asyncio
import json
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from coord.testing.local import settle
from tests.workers.commands.conftest import JobCommands
from workers.pipelines.chore import PipelineChore
from workers.testing.hand_worker import HandWorker
from workers.testing.office import new_term

SPEC = {
    "name": "nightly",
    "stages": [
        {"name": "load", "jobs": [{"name": "load"}, {"name": "load", "args": {"n": 2}}]},
        {
            "name": "send",
            "jobs": [{"name": "send"}],
            "after": ["load"],
            "gate": {"type": "signal", "name": "go"},
        },
    ],
}


class _At:
    """A steward that works when it is told to, and a worker."""

    def __init__(self, coord_command: JobCommands) -> None:
        self._command = coord_command

    def work(self, *, fail: bool = False) -> int:
        """Do what is ready, until nothing moves; return how many jobs that were."""
        return asyncio.run(self._with_steward(self._work(fail)))

    async def _with_steward(self, work: Coroutine[Any, Any, int]) -> int:
        store = self._command.store
        term = await new_term(store.client, store.places)
        running = asyncio.create_task(PipelineChore(store.site.timer).run(term))
        await settle()
        count = await work
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return count

    async def _work(self, fail: bool) -> int:
        client = self._command.cluster.client()
        session = await client.session(ttl_ms=1_000_000)
        worker = HandWorker(client, session.lease)
        count = 0
        while held := await worker.take():
            for job in held:
                done = await (worker.bury(job) if fail else worker.complete(job))
                count += done
            await settle()
        return count


@pytest.fixture
def spec(tmp_path: Path) -> str:
    path = tmp_path / "nightly.json"
    path.write_text(json.dumps(SPEC))
    return str(path)


def test_a_pipeline_is_started_followed_and_waited_for(
    coord_command: JobCommands, spec: str
) -> None:
    made = coord_command("pipeline", "start", spec).output.strip()
    steward = _At(coord_command)
    assert steward.work() == 2
    shown = coord_command("pipeline", "show", made).output
    assert "stage load is done" in shown
    assert "no  signal go was given" in shown
    (listed,) = json.loads(coord_command("pipeline", "list", "-w", "json").output)
    assert (listed["id"], listed["state"], listed["stages"]["send"]["state"]) == (
        made, "running", "waiting",
    )  # fmt: skip
    assert "1/2" in coord_command("pipeline", "list").output
    coord_command("pipeline", "signal", made, "go", "--message", "now", "--by", "ann")
    assert steward.work() == 1
    waited = coord_command("pipeline", "wait", made, "--progress")
    assert (waited.stdout, waited.exit_code) == ("done\n", 0)
    assert "all: 3 of 3 done, 100 %" in waited.stderr
    found = json.loads(coord_command("pipeline", "show", made, "-w", "json", "--watch").output)
    assert found["stages"][1]["opened_by"][1] == "signal go was given (by ann: now)"
    assert coord_command("pipeline", "list", "-w", "simple").output == ""
    assert made in coord_command("pipeline", "list", "--ended", "-w", "simple").output
    assert coord_command("pipeline", "remove", made, "--yes").exit_code == 0
    assert coord_command("pipeline", "show", made).exit_code == 1


def test_one_that_failed_ends_wait_with_1_and_is_retried(
    coord_command: JobCommands, spec: str
) -> None:
    made = coord_command("pipeline", "start", spec).output.strip()
    steward = _At(coord_command)
    assert steward.work(fail=True) == 2
    waited = coord_command("pipeline", "wait", made, "-w", "json")
    assert waited.exit_code == 1
    assert json.loads(waited.stdout)["state"] == "failed"
    assert "stage load failed" in waited.stderr
    assert coord_command("pipeline", "retry", made, "--stage", "nothing").exit_code == 2
    assert coord_command("pipeline", "retry", made).output == f"{made} goes on\n"
    assert coord_command("pipeline", "retry", made).exit_code == 1
    assert steward.work() == 2
    waited = coord_command("pipeline", "wait", made, "--wait", "0.01")
    assert waited.exit_code == 4


def test_it_is_ended_once_that_is_confirmed(coord_command: JobCommands, spec: str) -> None:
    made = coord_command("pipeline", "start", spec).output.strip()
    refused = coord_command("pipeline", "cancel", made)
    assert (refused.exit_code, "end pipeline nightly with 0 open jobs" in refused.output) == (
        2,
        True,
    )
    assert coord_command("pipeline", "cancel", made, "--reason", "late", "--yes").exit_code == 0
    _At(coord_command).work()
    assert "cancelled: late" in coord_command("pipeline", "wait", made).stderr
    assert coord_command("pipeline", "cancel", made, "--yes").exit_code == 1


def test_under_a_key_only_one_is_started(coord_command: JobCommands, spec: str) -> None:
    first = coord_command("pipeline", "start", spec, "--once", "n-1").output
    second = coord_command("pipeline", "start", "-", "--once", "n-1", given=Path(spec).read_text())
    assert second.output == first
    other = coord_command("pipeline", "start", spec, "--once", "n-2", "-w", "json").output
    assert json.loads(other)["id"] != first.strip()


def test_a_job_is_explained_up_to_its_pipeline(coord_command: JobCommands, spec: str) -> None:
    made = coord_command("pipeline", "start", spec).output.strip()
    steward = _At(coord_command)
    asyncio.run(coord_command.store.pause("default", "deploy"))

    async def first_step() -> int:
        return 0

    asyncio.run(steward._with_steward(first_step()))
    ready = asyncio.run(coord_command.store.client.get(b"coord/queue/default/ready/", prefix=True))
    job = "default:" + ready.kvs[0].key.rpartition(b"/")[2].decode()
    told = coord_command("pipeline", "explain", job).output
    assert "queue default is held shut by pause: deploy" in told
    assert f"pipeline {made} (nightly) is running" in told
    found = json.loads(coord_command("pipeline", "explain", job, "-w", "json").output)
    assert (found["stage"], found["pipeline"]["id"], found["reasons"][0]["what"]) == (
        "load", made, "pause",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("args", "said", "code"),
    [
        (("start", "nowhere.json"), "No such file", 2),
        (("start", "nowhere:spec"), "No module named", 2),
        (("start", "json:dumps"), "json:dumps", 2),
        (("start", "json:__name__"), "is a str, no Pipeline", 2),
        (("start", "-"), "no pipeline", 2),
        (("show", "0" * 20), "no pipeline", 1),
        (("wait", "0" * 20), "no pipeline", 1),
        (("signal", "0" * 20, "go"), "no pipeline", 1),
        (("retry", "0" * 20), "no pipeline", 1),
        (("explain", "nothing"), "job id 'nothing'", 2),
        (("explain", "q:4" + "0" * 20), "no job", 1),
    ],
)
def test_what_cannot_be_is_told(
    coord_command: JobCommands, args: tuple[str, ...], said: str, code: int
) -> None:
    result = coord_command("pipeline", *args)
    assert result.exit_code == code, result.output
    assert said in result.stderr
