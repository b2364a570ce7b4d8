"""Where the embedded default lives, and who starts it."""

import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from coord.client.embedded import (
    SOCKET_PATH_BYTES_MAX,
    _is_ending,
    ensure_running,
    place_of,
)
from coord.errors import Misuse


def test_its_folder_is_made_for_this_user_alone(tmp_path: Path) -> None:
    home = tmp_path / "a" / "b"
    place = place_of({"COORD_HOME": str(home)})
    assert place.home == place.sockets == home
    assert home.stat().st_mode & 0o077 == 0


def test_a_path_too_long_for_a_socket_puts_the_sockets_elsewhere(tmp_path: Path) -> None:
    home = tmp_path / ("x" * SOCKET_PATH_BYTES_MAX)
    place = place_of({"COORD_HOME": str(home)})
    assert place.home == home
    assert len(os.fsencode(place.client_socket)) <= SOCKET_PATH_BYTES_MAX
    assert place_of({"COORD_HOME": str(home)}) == place
    assert place_of({"COORD_HOME": str(home) + "y"}).sockets != place.sockets
    place.sockets.rmdir()
    place_of({"COORD_HOME": str(home) + "y"}).sockets.rmdir()


def test_a_folder_that_cannot_be_made_is_a_misuse(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Misuse):
        place_of({"COORD_HOME": str(tmp_path / "file" / "home")})


def test_while_the_lock_is_held_nobody_else_starts_it(tmp_path: Path) -> None:
    environment = {"COORD_HOME": str(tmp_path)}
    with open(tmp_path / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        address = ensure_running(environment)
    assert address == f"ipc://{tmp_path / 'client'}"
    assert not (tmp_path / "node.log").exists()


def test_a_process_that_is_dead_but_not_yet_gone_is_told_from_one_that_runs() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        end_s = time.monotonic() + 10.0
        # Nobody has asked for its exit code yet, so it stays as a zombie.
        while not _is_ending(f"{ended.pid}\n".encode()):
            assert time.monotonic() < end_s
    assert not _is_ending(f"{ended.pid}\n".encode())
    assert not _is_ending(f"{os.getpid()}\n".encode())
    assert not _is_ending(b"")
