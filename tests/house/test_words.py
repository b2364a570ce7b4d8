"""Words that have no place in a project others read."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEXT_ENDINGS = (".py", ".md", ".toml", ".txt", ".lock", ".yml", "Makefile", "run", "set-up")
# Spelt in pieces, so that this file does not find itself.
UNFINISHED = re.compile("|".join(("FIX" + "ME", "X" + "XX", "HA" + "CK", "WI" + "P")) + r"(?=\W)")
OF_ONE_MACHINE = re.compile("(?:^|[\\s\"'`(=])/(?:home|root|Users)" + r"/\w+")


def _lines(project_files: list[str]) -> list[tuple[str, str]]:
    return [
        (f"{path}:{number}", line)
        for path in project_files
        if path.endswith(TEXT_ENDINGS)
        for number, line in enumerate((ROOT / path).read_text().splitlines(), 1)
    ]


def test_nothing_is_left_marked_as_unfinished(project_files: list[str]) -> None:
    assert [where for where, line in _lines(project_files) if UNFINISHED.search(line)] == []


def test_nothing_points_into_somebodys_home(project_files: list[str]) -> None:
    assert [where for where, line in _lines(project_files) if OF_ONE_MACHINE.search(line)] == []
