"""`coord top` on a terminal, `coord doctor` before and after a member dies: real processes."""

import errno
import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from coord.testing.local_cluster import LocalProcesses, started_cluster

pytestmark = pytest.mark.integration
COORD = (sys.executable, "-m", "coord.cli")


def _environment(cluster: LocalProcesses) -> dict[str, str]:
    return {**os.environ, "COORD_ENDPOINTS": cluster.endpoints, "TERM": "xterm", "COLUMNS": "150"}


def _on_terminal(
    cluster: LocalProcesses,
    shows: Callable[[str], bool],
    leave: Callable[[subprocess.Popen[bytes], int], object],
) -> int:
    """Run `coord top` on a terminal until it shows something, leave it, return how it ended."""
    ours, its = pty.openpty()
    command = [*COORD, "top", "-n", "0.05"]
    process = subprocess.Popen(command, stdin=its, stdout=its, env=_environment(cluster))
    os.close(its)
    shown = b""
    try:
        while not shows(shown.decode(errors="replace")):
            shown += os.read(ours, 65536)
        leave(process, ours)
        while os.read(ours, 65536):
            continue
    except OSError as closed:
        if closed.errno != errno.EIO:  # how a terminal says that nobody is there any more
            raise
    finally:
        os.close(ours)
    return process.wait(30)


def _press_q(process: subprocess.Popen[bytes], terminal: int) -> None:
    os.write(terminal, b"q")


def _interrupt(process: subprocess.Popen[bytes], terminal: int) -> None:
    process.send_signal(signal.SIGINT)


def _coord(cluster: LocalProcesses, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COORD, *args],
        env=_environment(cluster),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _shows_the_member(text: str) -> bool:
    return "1 of 1 members answer" in text


def test_it_shows_the_cluster_until_a_key_ends_it(tmp_path: Path) -> None:
    with started_cluster(tmp_path, nodes=1) as cluster:
        assert _on_terminal(cluster, _shows_the_member, _press_q) == 0
        assert _on_terminal(cluster, _shows_the_member, _interrupt) == 130


def test_it_shows_what_comes_up_meanwhile(tmp_path: Path) -> None:
    with started_cluster(tmp_path, nodes=1) as cluster:
        told = False

        def shows(text: str) -> bool:
            nonlocal told
            if not told and "steward nobody" in text:
                told = True
                assert _coord(cluster, "queue", "pause", "mail", "--reason", "why").returncode == 0
            return "pause why" in text

        assert _on_terminal(cluster, shows, _press_q) == 0
        assert told


def test_a_dead_member_is_found(tmp_path: Path) -> None:
    with started_cluster(tmp_path, nodes=3) as cluster:
        well = _coord(cluster, "doctor")
        assert well.stdout == "note     workers: none lives\nnothing is wrong\n"
        assert well.returncode == 0
        follower = next(name for name in ("n1", "n2", "n3") if name != cluster.leader)
        pid = cluster.pid(follower)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        cluster.wait_until(lambda _: cluster.pid(follower) is None)
        ill = _coord(cluster, "doctor", "-w", "json")
        report = json.loads(ill.stdout)
        assert ill.returncode == 1
        silent = report["findings"][0]
        assert silent["about"].startswith("member tcp://")
        assert silent["text"].startswith("does not answer")
        assert "if one more member is lost" in ill.stdout
        seen = _coord(cluster, "top", "--once")
        assert "2 of 3 members answer" in seen.stdout
