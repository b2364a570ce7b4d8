"""Where files may live, and what the lock may say."""

import tomllib
from pathlib import Path

from coord.version import VERSION

ROOT = Path(__file__).resolve().parents[2]

ROOT_FILES = {
    ".gitignore",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "Makefile",
    "README.md",
    "pyproject.toml",
    "requirements-dev.lock",
}
ROOT_FOLDERS = {".ci", "coord", "transport", "recipes", "workers", "tests", "examples", "docs"}
COORD_FOLDERS = {"cli", "client", "gateway", "node", "raft", "store", "testing", "wal"}
TEST_FOLDERS = {
    "coord", "transport", "recipes", "workers",
    "bench", "contracts", "examples", "fuzz", "golden", "house", "integration", "paper",
    "scenarios", "sim",
}  # fmt: skip


def test_the_root_holds_only_what_is_expected_there(project_files: list[str]) -> None:
    files = {path for path in project_files if "/" not in path}
    folders = {path.split("/")[0] for path in project_files if "/" in path}
    assert files - ROOT_FILES == set()
    assert folders - ROOT_FOLDERS == set()


def test_coord_and_tests_hold_only_known_folders(project_files: list[str]) -> None:
    for root, known in (("coord", COORD_FOLDERS), ("tests", TEST_FOLDERS)):
        found = {
            path.split("/")[1]
            for path in project_files
            if path.startswith(f"{root}/") and path.count("/") > 1
        }
        assert found - known == set()


def test_no_test_folder_is_a_package(project_files: list[str]) -> None:
    # tests/coord/__init__.py would shadow the package coord.
    assert [path for path in project_files if path.startswith("tests/")
            and path.endswith("__init__.py")] == []  # fmt: skip


def test_tests_of_a_package_stand_where_the_package_stands(project_files: list[str]) -> None:
    packages = {path.rpartition("/")[0] for path in project_files if path.endswith("__init__.py")}
    astray = [
        path
        for path in project_files
        if path.startswith(("tests/coord/", "tests/transport/", "tests/recipes/", "tests/workers/"))
        and path.endswith(".py")
        and path.removeprefix("tests/").rpartition("/")[0] not in packages
    ]
    assert astray == []


def test_every_package_folder_has_an_init_and_every_package_is_typed(
    project_files: list[str],
) -> None:
    known = set(project_files)
    for path in project_files:
        top = path.split("/")[0]
        if path.endswith(".py") and top in {"coord", "transport", "recipes", "workers"}:
            folder = path.rpartition("/")[0]
            assert f"{folder}/__init__.py" in known
            assert f"{top}/py.typed" in known


def test_the_version_is_the_same_in_the_code_and_in_the_distribution() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == VERSION
    assert f"## {VERSION} " in (ROOT / "CHANGELOG.md").read_text()


def test_the_lock_pins_exactly_and_names_no_place_to_fetch_from(project_files: list[str]) -> None:
    assert "requirements-dev.lock" in project_files
    text = (ROOT / "requirements-dev.lock").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert lines
    for line in lines:
        name, _, version = line.partition("==")
        assert name
        assert version
        assert not set("/@:") & set(line)
