"""`coord gate`, against a store in this process."""

import asyncio
import json
from collections.abc import Callable

import pytest

from coord.testing.local import settle
from tests.workers.commands.conftest import JobCommands
from workers.gates.chore import GateChore
from workers.gates.store import GateStore
from workers.model.job import Job
from workers.testing.office import new_term


def _steward(coord_command: JobCommands) -> None:
    """Let the chore of gates do what there is to do."""

    async def work() -> None:
        store = coord_command.store
        term = await new_term(store.client, store.places)
        running = asyncio.create_task(GateChore(store.site.timer).run(term))
        await settle()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(work())


def test_a_gate_is_set_signalled_shown_and_removed(coord_command: JobCommands) -> None:
    set_it = ("gate", "set", "release", "--queue", "deploy", "--signal", "tested")
    said = coord_command(*set_it, "--size", "deploy=2", "--note", "nightly", "--by", "ann")
    assert said.output == "gate release is set\n"
    asyncio.run(coord_command.store.enqueue("deploy", Job("f")))
    coord_command("gate", "signal", "release", "tested", "--message", "green", "--by", "bob")
    shown = coord_command("gate", "show", "release").output
    assert "it holds queue deploy shut, 1 jobs ready" in shown
    assert "no  at least 2 jobs ready in queue deploy: 1 of 2" in shown
    assert "yes signal tested was given, since " in shown
    assert "Z (by bob: green)" in shown
    asyncio.run(coord_command.store.enqueue("deploy", Job("f")))
    _steward(coord_command)
    found = json.loads(coord_command("gate", "show", "release", "-w", "json", "--history").output)
    assert found["state"]["is_open"] is True
    assert [note["what"] for note in found["history"]] == ["set", "signal tested", "opened"]
    assert coord_command("gate", "wait", "release").exit_code == 0
    assert "release open" in coord_command("gate", "list", "-w", "simple").output
    refused = coord_command("gate", "remove", "release")
    assert refused.exit_code == 2
    assert "say --yes" in refused.output
    assert coord_command("gate", "remove", "release", "--yes").output == "gate release is removed\n"
    assert json.loads(coord_command("gate", "list", "-w", "json").output) == []


def test_by_hand_it_is_opened_and_shut(coord_command: JobCommands) -> None:
    coord_command("gate", "set", "g", "--queue", "q", "--signal", "go")
    assert coord_command("gate", "open", "g", "--by", "ann").output == "gate g is open\n"
    assert "by hand of ann" in coord_command("gate", "list").output
    assert coord_command("gate", "shut", "g").output == "gate g is shut\n"
    assert coord_command("gate", "signal", "g", "go", "--withdraw").output == "it was not given\n"
    waited = coord_command("gate", "wait", "g", "--wait", "0.01")
    assert (waited.exit_code, "has not opened in time" in waited.output) == (4, True)


def test_what_show_prints_as_json_sets_the_same_gate_again(coord_command: JobCommands) -> None:
    coord_command(
        "gate", "set", "a", "--any", "--signal", "x", "--size", "q/dead=3", "--at", "2026-11-22Z"
    )
    assert coord_command("gate", "show", "a").exit_code == 1  # a day is no time
    parts = ("--any", "--signal", "x", "--size", "q/dead=3", "--at", "2026-11-22T18:00:00+01:00")
    coord_command("gate", "set", "a", *parts)
    first = json.loads(coord_command("gate", "show", "a", "-w", "json").output)
    coord_command("gate", "set", "b", "--when", json.dumps(first["condition"]))
    second = json.loads(coord_command("gate", "show", "b", "-w", "json").output)
    assert first["condition"] == second["condition"]
    assert first["condition"]["of"][2] == {"type": "time", "at_unix_ms": 1_795_366_800_000}


def test_listed_it_is_printed_again_when_something_changes(
    coord_command: JobCommands, told_to_end: Callable[[], None]
) -> None:
    gates = GateStore(coord_command.store.client)
    coord_command("gate", "set", "g", "--signal", "go")
    coord_command.steps += [
        lambda: None,
        lambda: asyncio.ensure_future(gates.open("g")),
        lambda: asyncio.get_running_loop().call_later(0.4, told_to_end),
    ]
    result = coord_command("gate", "list", "-w", "simple", "--watch")
    assert result.output == "g shut\ng open\n"
    assert result.exit_code == 143


@pytest.mark.parametrize(
    ("args", "said", "code"),
    [
        (("set", "g"), "say what opens it", 2),
        (("set", "g", "--size", "q"), "is no QUEUE=N", 2),
        (("set", "g", "--size", "q/nowhere=3"), "places are ready", 2),
        (("set", "g", "--size", "q=0"), "asks for nothing", 2),
        (("set", "g", "--at", "noon"), "is no time", 2),
        (("set", "g", "--at", "2026-11-22T10:00:00"), "in which time zone", 2),
        (("set", "g", "--when", "{"), "no condition", 2),
        (("set", "g", "--signal", "a", "--rearm", "empty"), "needs the queue", 2),
        (("set", "a/b", "--signal", "a"), "gate 'a/b'", 2),
        (("show", "g"), "no gate 'g'", 1),
        (("open", "g"), "no gate 'g'", 1),
        (("signal", "g", "go"), "no gate 'g'", 1),
        (("remove", "g", "--yes"), "no gate 'g'", 1),
        (("wait", "g"), "no gate 'g'", 1),
    ],
)
def test_what_cannot_be_is_told_in_one_line(
    coord_command: JobCommands, args: tuple[str, ...], said: str, code: int
) -> None:
    result = coord_command("gate", *args)
    assert result.exit_code == code
    assert said in result.stderr
    assert result.stderr.startswith("coord: ") or "Usage" in result.stderr
