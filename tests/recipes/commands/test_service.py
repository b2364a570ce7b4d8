"""`coord service`: who serves what."""

import json
from typing import Any

import pytest

from coord import ops
from recipes.registry import Instance, encode


def _list(coord_command: Any, *instances: Instance) -> None:
    for each in instances:
        coord_command.cluster.write(ops.put(f"services/search/{each.address}", encode(each)))


def test_the_living_are_listed_by_service_and_by_address(coord_command: Any) -> None:
    _list(coord_command, Instance("b:2"), Instance("a:1", 2, {"zone": "north"}))
    assert coord_command("service", "list", "search").stdout == "a:1\nb:2\n"
    assert coord_command("service", "list").stdout == "search a:1\nsearch b:2\n"
    as_json = json.loads(coord_command("service", "list", "-w", "json").stdout)
    assert as_json["search"][0] == {"address": "a:1", "weight": 2, "metadata": {"zone": "north"}}
    assert "zone=north" in coord_command("service", "list", "-w", "table").stdout
    assert coord_command("service", "list", "nothing").stdout == ""


def test_following_prints_each_list_on_a_line_until_told_to_end(coord_command: Any) -> None:
    _list(coord_command, Instance("a:1"))
    coord_command.steps += [
        lambda: _list(coord_command, Instance("b:2")),
        lambda: coord_command.cluster.write(ops.delete("services/search/", prefix=True)),
    ]
    result = coord_command("service", "follow", "search")
    assert result.stdout == "a:1\na:1 b:2\nnobody\n"
    assert result.exit_code == 143


def test_followed_as_json_each_list_is_one_document(coord_command: Any) -> None:
    coord_command.steps.append(lambda: _list(coord_command, Instance("b:2")))
    lines = coord_command("service", "follow", "search", "-w", "json").stdout.splitlines()
    assert [len(json.loads(line)["instances"]) for line in lines] == [0, 1]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["search", "0.0.0.0:80"], "nobody else can connect"),
        (["search", "10.0.0.7"], "HOST:PORT is wanted"),
        (["a/b", "10.0.0.7:80"], "without a slash"),
        (["search", "10.0.0.7:80", "--meta", "zone"], "not KEY=VALUE"),
        (["search", "10.0.0.7:80", "--weight", "0"], "0 is not in the range"),
        (["search", "10.0.0.7:80", "--ttl", "never"], "not a number of seconds"),
    ],
)
def test_what_can_never_be_registered_is_misuse_told_in_one_line(
    coord_command: Any, args: list[str], said: str
) -> None:
    result = coord_command("service", "register", *args)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert coord_command.cluster.store.lease_count == 0
