"""`coord schedule`: what a person at a console does with schedules, and what is refused."""

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from coord import ops
from coord.cli.main import main
from coord.testing.local import LocalClient, LocalCluster, LocalWatch
from recipes.commands.connection import AioConnector

SET = ("set", "report", "--cron", "0 7 * * MON-FRI", "--zone", "Europe/Berlin")
JOB = ("--job", "send", "to=ann", "pages=[1, 2]")


class _Client(LocalClient):
    """Once a watch is made, does what the test says, one step after another."""

    def __init__(self, cluster: LocalCluster, steps: list[Callable[[], object]]) -> None:
        super().__init__(cluster)
        self._steps = steps

    def watch(self, key: Any, **options: Any) -> LocalWatch:
        asyncio.get_running_loop().call_soon(self._step)
        return super().watch(key, **options)

    def _step(self) -> None:
        if self._steps:
            self._steps.pop(0)()
            asyncio.get_running_loop().call_later(0.01, self._step)


class Schedules:
    """Runs `coord schedule` against one store, as often as the test likes."""

    def __init__(self) -> None:
        self.cluster = LocalCluster()
        self.steps: list[Callable[[], object]] = []

    def __call__(self, *args: str) -> Result:
        client = _Client(self.cluster, self.steps)
        connector = AioConnector(lambda endpoints, timeout_ms: contextlib.nullcontext(client))
        line = ["schedule", *args]
        return CliRunner().invoke(main, line, obj=connector, prog_name="coord")

    def json(self, *args: str) -> Any:
        """Run one that succeeds, and return what it prints as JSON."""
        result = self(*args, "-w", "json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)


@pytest.fixture
def schedule() -> Schedules:
    """Return a `coord schedule` with a store of its own."""
    return Schedules()


def test_what_is_set_is_listed_and_shown(schedule: Schedules) -> None:
    result = schedule(*SET, *JOB)
    assert result.exit_code == 0, result.output
    line = "report  send  cron 0 7 * * MON-FRI Europe/Berlin  next 2"
    assert result.stdout.startswith(line)
    assert schedule("list").stdout == result.stdout
    assert "Europe/Berlin" in schedule("list", "-w", "table").stdout
    (listed,) = schedule.json("list")
    assert listed["rule"] == {"type": "cron", "line": "0 7 * * MON-FRI", "zone": "Europe/Berlin"}
    assert (listed["job"]["name"], listed["job"]["args"]) == (
        "send",
        {"to": "ann", "pages": [1, 2]},
    )
    shown = schedule("show", "report").stdout
    assert 'job       send {"to": "ann", "pages": [1, 2]}' in shown
    assert "overlap   skip" in shown


def test_a_later_set_changes_only_what_it_says(schedule: Schedules) -> None:
    schedule(*SET, *JOB, "--priority", "7", "--jitter", "5", "--attempts", "2")
    after = schedule.json("set", "report", "--zone", "America/New_York", "--why", "moved")
    assert after["rule"]["zone"] == "America/New_York"
    assert after["rule"]["line"] == "0 7 * * MON-FRI"
    assert (after["priority"], after["jitter_ms"], after["job"]["attempts_max"]) == (7, 5_000, 2)
    assert after["job"]["args"] == {"to": "ann", "pages": [1, 2]}
    after = schedule.json("set", "report", "--jitter", "0", "--every", "1.5", "to=bob")
    assert (after["jitter_ms"], after["rule"]) == (
        0, {"type": "every", "interval_ms": 1_500, "anchor_unix_ms": 0},
    )  # fmt: skip
    assert after["job"]["args"] == {"to": "bob"}
    after = schedule.json("set", "report", "--json", '{"to": "eve"}', "--overlap", "queue")
    assert (after["job"]["args"], after["overlap"]) == ({"to": "eve"}, "queue")


def test_the_history_tells_who_when_why_and_what_changed_and_undo_takes_it_back(
    schedule: Schedules,
) -> None:
    schedule(*SET, *JOB, "--by", "ann", "--why", "wanted")
    schedule("set", "report", "--cron", "0 8 * * *", "--by", "bob")
    schedule("pause", "report", "--by", "eve", "--why", "printer")
    lines = schedule("history", "report").stdout.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["1", "2", "3"]
    assert lines[0].endswith("  ann  set  wanted")
    changed = "rule: cron 0 7 * * MON-FRI Europe/Berlin -> cron 0 8 * * * Europe/Berlin"
    assert lines[1].endswith(f"  bob  set  {changed}")
    assert lines[2].endswith("  eve  pause  printer  paused: False -> True")
    assert schedule("undo", "report").stdout == "report undone\n"
    assert schedule("undo", "report").exit_code == 0
    (listed,) = schedule.json("list")
    assert (listed["rule"]["line"], listed["paused"]) == ("0 7 * * MON-FRI", False)
    history = schedule.json("history", "report")
    assert [(each["what"], each["restores"]) for each in history] == [
        ("set", None), ("set", None), ("pause", None), ("undo", 2), ("undo", 1),
    ]  # fmt: skip
    assert schedule("undo", "report", "--to", "9").exit_code == 1


def test_who_edits_is_this_person_unless_said_otherwise(schedule: Schedules) -> None:
    schedule(*SET, *JOB)
    (edit,) = schedule.json("history", "report")
    assert "@" in edit["by"]


def test_pausing_shows_and_removing_can_be_undone(schedule: Schedules) -> None:
    schedule(*SET, *JOB)
    assert schedule("pause", "report").stdout == "report paused\n"
    assert schedule("list").stdout.endswith("next paused\n")
    assert schedule("resume", "report").stdout == "report resumed\n"
    assert schedule("remove", "report").stdout == "report removed\n"
    assert schedule("list").stdout == ""
    assert schedule("undo", "report").exit_code == 0
    assert len(schedule.json("list")) == 1


def test_forgetting_asks_first_and_leaves_nothing(schedule: Schedules) -> None:
    schedule(*SET, *JOB)
    asked = schedule("remove", "report", "--forget")
    assert (asked.exit_code, asked.stdout) == (2, "")
    assert "forget schedule report and its 1 edits; say --yes" in asked.stderr
    assert schedule("remove", "report", "--forget", "--yes").exit_code == 0
    assert schedule("history", "report").exit_code == 1
    assert schedule("remove", "report", "--forget", "--yes").exit_code == 1


def test_run_prints_the_job_and_refuses_to_overlap(schedule: Schedules) -> None:
    schedule(*SET, *JOB)
    job_id = schedule("run", "report").stdout.strip()
    assert job_id.startswith("default:5")
    again = schedule("run", "report")
    assert again.exit_code == 1
    assert job_id in again.stderr
    assert schedule("run", "report", "--overlap").exit_code == 0
    shown = schedule.json("show", "report")
    assert shown["unended"] == job_id
    assert [each["cause"] for each in shown["fired"]] == ["run", "run"]


def test_a_backfill_says_how_many_and_asks_before_many(schedule: Schedules) -> None:
    schedule(*SET, *JOB)
    result = schedule("backfill", "report", "--from", "2025-11-17", "--to", "2025-11-21T07:00")
    assert result.stdout == "report: 5 jobs asked for\n"
    assert schedule("backfill", "report", "--from", "2025-11-17").exit_code == 2  # says --yes
    again = schedule("backfill", "report", "--from", "2025-11-17", "--to", "2025-11-18")
    assert (again.exit_code, "has not ended" in again.stderr) == (1, True)


def test_next_prints_due_times_in_the_zone(schedule: Schedules) -> None:
    schedule(*SET, *JOB)
    times = schedule("next", "report", "-n", "3").stdout.splitlines()
    assert len(times) == 3
    assert all("T07:00:00+0" in each for each in times)
    assert len(schedule.json("next", "report")) == 5


def test_a_dry_run_tells_due_times_and_changes_nothing(schedule: Schedules) -> None:
    result = schedule(*SET, *JOB, "--dry-run")
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 5
    assert schedule("list").stdout == ""


APP = """
from workers.app.app import App

app = App()


@app.job(queue="mail", expires_after_ms=60_000)
def send(to: str, copies: int = 1) -> None:
    pass
"""


def test_with_an_application_the_job_is_checked_and_its_options_hold(
    schedule: Schedules, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "scheduled_app.py").write_text(APP)
    monkeypatch.syspath_prepend(str(tmp_path))
    asked = (*SET, "-A", "scheduled_app:app", "--job", "send")
    for wrong in (("--job", "sendd"), ("copies=2",), ("to=ann", "copies=many")):
        assert schedule(*asked, *wrong).exit_code == 2
    made = schedule.json(*asked, "to=ann", "copies=2")
    assert (made["queue"], made["expires_ms"]) == ("mail", 60_000)
    assert made["job"]["args"] == {"to": "ann", "copies": 2}
    assert schedule("set", "report", "--every", "5", "-A", "no.such:app").exit_code == 2


def test_a_watched_list_is_printed_again_when_it_changes(schedule: Schedules) -> None:
    schedule(*SET, *JOB)
    (kv,) = asyncio.run(schedule.cluster.client().get("coord/schedule/spec/report")).kvs
    spec = msgspec.json.decode(kv.value)
    paused = ops.put(kv.key, msgspec.json.encode({**spec, "paused": True}))
    waits: list[Callable[[], object]] = [lambda: None] * 40  # the list is drawn 4 times a second
    schedule.steps += [
        lambda: schedule.cluster.write(paused),
        *waits,
        lambda: os.kill(os.getpid(), signal.SIGTERM),
    ]
    result = schedule("list", "--watch")
    assert result.exit_code == 143
    assert result.stdout.splitlines()[-1].endswith("next paused")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--cron", "61 * * * *", "--job", "f"), "bad minute"),
        (("--cron", "* * * * *", "--zone", "Mars", "--job", "f"), "zone 'Mars'"),
        (("--every", "-5", "--job", "f"), "'-5' seconds: 0.001 to"),
        (("--every", "5", "--at", "2030-01-01", "--job", "f"), "exclude another"),
        (("--at", "2020-01-01", "--job", "f"), "never due any more"),
        (("--at", "soon", "--job", "f"), "time 'soon'"),
        (("--cron", "* * * * *"), "what shall it run?"),
        (("--job", "f"), "when is it due?"),
        (("--every", "5", "--zone", "Asia/Tokyo", "--job", "f"), "--zone goes with"),
        (("--every", "5", "--job", "f", "x"), "'x' is not NAME=VALUE"),
        (("--every", "5", "--job", "f", "--json", "[1]"), "an object of arguments"),
        (("--every", "5", "--job", "f", "--jitter", "-1"), "'-1' seconds"),
        (("--every", "5", "--job", "f", "--priority", "12"), "12 is not in the range"),
        (("--every", "5", "--job", "f", "--overlap", "never"), "'never' is not one of"),
        (("--every", "5", "--job", "a/b"), "job 'a/b'"),
        (("--anchor", "2030-01-01", "--cron", "* * * * *", "--job", "f"), "--anchor goes with"),
    ],
)
def test_what_can_be_no_schedule_is_misuse_told_by_field(
    schedule: Schedules, args: tuple[str, ...], said: str
) -> None:
    result = schedule("set", "s", *args)
    assert result.exit_code == 2
    assert said in result.stderr
    assert schedule("list").stdout == ""


@pytest.mark.parametrize("act", ["show", "next", "history", "pause", "resume", "run", "remove"])
def test_what_is_not_there_is_not_done(schedule: Schedules, act: str) -> None:
    result = schedule(act, "nothing")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "coord: no schedule 'nothing'\n"
