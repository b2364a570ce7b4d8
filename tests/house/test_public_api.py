"""The names users may rely on: pinned, so that none comes or goes by accident.

`make api` rewrites the list; a person reads the difference.
"""

import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

FACES = ("coord", "coord.aio", "recipes", "transport", "workers")
PINNED = Path(__file__).with_name("public_api.txt")


def public_names() -> list[str]:
    """Return every public name, as `module.name`."""
    return [
        f"{face}.{name}"
        for face in FACES
        for name in sorted(getattr(importlib.import_module(face), "__all__", ()))
    ]


def test_the_public_names_are_those_that_were_agreed_on() -> None:
    pinned = PINNED.read_text().splitlines()
    found = public_names()
    assert set(found) - set(pinned) == set(), "new names: run `make api` if they are meant"
    assert set(pinned) - set(found) == set(), "lost names: run `make api` if that is meant"


@pytest.mark.parametrize("name", public_names())
def test_every_public_name_is_there_and_explains_itself(name: str) -> None:
    module, _, attribute = name.rpartition(".")
    found = getattr(importlib.import_module(module), attribute)
    if inspect.isclass(found) or inspect.isfunction(found) or inspect.ismodule(found):
        assert inspect.getdoc(found), f"{name} has no docstring"


def test_importing_everything_starts_nothing_and_reads_no_settings() -> None:
    script = """
import os, pkgutil, sys, threading
import coord, recipes, transport, workers
class Watched(dict):
    def __getitem__(self, key): return self.get(key)
    def get(self, key, default=None):
        assert not key.startswith("COORD"), f"an import reads {key}"
        return super().get(key, default)
os.environ = Watched(os.environ)
for package in (coord, transport, recipes, workers):
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not found.name.endswith("__main__"):
            __import__(found.name)
assert threading.active_count() == 1, threading.enumerate()
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_client_does_not_bring_the_server_along() -> None:
    script = "import sys, coord; print(*(name for name in sys.modules if name[:6] == 'coord.'))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    loaded = done.stdout.split()
    server = {"node", "raft", "store", "wal", "cli", "testing"}
    assert "coord.client" in loaded
    assert [name for name in loaded if name.split(".")[1] in server] == []


if __name__ == "__main__":
    PINNED.write_text("\n".join(public_names()) + "\n")
