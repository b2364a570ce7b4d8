"""`coord progress`: how far tasks are, for people and scripts."""

import json
from typing import Any

import msgspec
import pytest

from coord import ops
from recipes.progress import Progress, rolled_up


def _report(coord_command: Any, task: str, each: Progress) -> None:
    coord_command.cluster.write(ops.put(f"progress/{task}", msgspec.json.encode(each)))


def test_tasks_are_shown_with_how_far_they_are(coord_command: Any) -> None:
    _report(coord_command, "index/b", Progress(3, 0))
    _report(coord_command, "index/a", Progress(12, 40, "asyncio/tasks.py", "w7"))
    _report(coord_command, "other", Progress(1, 2))
    assert coord_command("progress", "index/").stdout == (
        "index/a 12/40 asyncio/tasks.py\nindex/b 3/?\n"
    )
    assert coord_command("progress").stdout.splitlines()[2] == "other 1/2"
    as_json = json.loads(coord_command("progress", "index/a", "-w", "json").stdout)
    assert as_json == {
        "index/a": {"done": 12, "total": 40, "message": "asyncio/tasks.py", "by": "w7"}
    }
    table = coord_command("progress", "-w", "table").stdout
    assert "w7" in table
    assert "(all)" in table


def test_what_is_no_report_is_left_out(coord_command: Any) -> None:
    coord_command.cluster.write(ops.put("progress/a", "soon"))
    assert coord_command("progress").stdout == ""


def test_following_prints_each_change_and_each_end_until_told_to_end(coord_command: Any) -> None:
    _report(coord_command, "a", Progress(1, 2))
    _report(coord_command, "b", Progress(0, 2))
    coord_command.steps += [
        lambda: _report(coord_command, "a", Progress(2, 2)),
        lambda: coord_command.cluster.write(ops.delete("progress/a")),
    ]
    result = coord_command("progress", "--follow")
    assert result.stdout == "a 1/2\nb 0/2\na 2/2\n-a\n"
    assert result.exit_code == 143


def test_followed_as_json_each_change_is_one_document_with_the_rate(coord_command: Any) -> None:
    _report(coord_command, "a", Progress(10, 20))
    coord_command.steps += [
        lambda: _report(coord_command, "a", Progress(20, 20)),
        lambda: coord_command.cluster.write(ops.delete("progress/a")),
    ]
    lines = coord_command("progress", "--follow", "-w", "json").stdout.splitlines()
    first, second, third = map(json.loads, lines)
    assert (first["task"], first["done"], first["per_second"]) == ("a", 10, None)
    assert second["per_second"] > 0
    assert third == {"task": "a", "gone": True, "per_second": None}


def test_many_tasks_are_as_far_as_all_of_them_together() -> None:
    assert rolled_up([Progress(1, 4), Progress(2, 6)]) == Progress(3, 10, "2 tasks")
    assert rolled_up([Progress(1, 4), Progress(2, 0)]).total == 0
    assert rolled_up([]).done == 0


@pytest.mark.parametrize("args", [["a", "b"], ["--follow", "-w", "yaml"]])
def test_a_command_line_that_cannot_work_is_misuse(coord_command: Any, args: list[str]) -> None:
    assert coord_command("progress", *args).exit_code == 2
