"""What the house rules look at: the files that belong to the project, read once."""

import ast
import subprocess
from pathlib import Path

import attrs
import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("coord", "transport", "recipes", "workers")


@attrs.frozen
class Source:
    """One Python file of the project."""

    path: str
    """Relative to the project's root, with forward slashes."""
    text: str
    tree: ast.Module

    @property
    def line_count(self) -> int:
        return len(self.text.splitlines())

    @property
    def is_packaged(self) -> bool:
        """Whether users get this file."""
        return self.path.split("/")[0] in PACKAGES


def _project_files() -> list[str]:
    """Return the paths git knows; in an exported tree, those of the project's own folders."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode == 0 and listed.stdout:
        return [path for path in listed.stdout.splitlines() if (ROOT / path).is_file()]
    folders = (*PACKAGES, "tests", "examples", "docs")
    nested = [path for folder in folders for path in (ROOT / folder).rglob("*")]
    files = [path for path in (*ROOT.iterdir(), *nested) if path.is_file()]
    return sorted(str(path.relative_to(ROOT)) for path in files if "__pycache__" not in path.parts)


@pytest.fixture(scope="session")
def project_files() -> list[str]:
    """Return every file of the project, relative to its root."""
    return _project_files()


@pytest.fixture(scope="session")
def sources(project_files: list[str]) -> list[Source]:
    """Return every Python file of the project."""
    found = []
    for path in project_files:
        if path.endswith(".py"):
            text = (ROOT / path).read_text()
            found.append(Source(path, text, ast.parse(text, path)))
    return found
