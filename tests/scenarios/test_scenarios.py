"""Every scenario text leaves exactly the trace it shows.

COORD_REWRITE=1 in the environment accepts the traces as they come out; read the difference.
"""

import os
from pathlib import Path

import pytest

from coord.testing.scenario import check_file, run_text

SCENARIOS = sorted(Path(__file__).parent.glob("*.txt"))


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_a_scenario_leaves_exactly_the_trace_it_shows(path: Path) -> None:
    check_file(path, rewrite=os.environ.get("COORD_REWRITE") == "1")


def test_there_are_scenarios_to_run() -> None:
    assert SCENARIOS


def test_running_a_text_twice_gives_the_same_text() -> None:
    once = run_text("nodes 3\nelect 2\npropose 2 a\nsettle\n----\n")
    assert run_text(once) == once
    assert '2 commits 2/1 "a"' in once


def test_an_unknown_command_names_its_line() -> None:
    with pytest.raises(ValueError, match="line 2"):
        run_text("nodes 3\nfly 1\n----\n")


def test_a_differing_trace_fails_and_is_accepted_by_rewriting(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_text("nodes 1\ntick 1\n----\nnothing of the kind\n")
    with pytest.raises(AssertionError, match="trace differs"):
        check_file(path, rewrite=False)
    check_file(path, rewrite=True)
    check_file(path, rewrite=False)
