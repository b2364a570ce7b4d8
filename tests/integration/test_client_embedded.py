"""The embedded default: started by whoever comes first, shared, and still there after a crash."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

import coord
from coord.testing.local_cluster import wait_for

pytestmark = pytest.mark.integration

PROGRAM = """
import sys
import coord
with coord.connect(timeout_ms=30_000) as client:
    client.put("seen/", sys.argv[1], sequence=True)
    print(client.status().cluster)
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("COORD_HOME", str(tmp_path))
    monkeypatch.delenv("COORD_ENDPOINTS", raising=False)
    yield tmp_path
    with suppress(ProcessLookupError, FileNotFoundError):
        os.kill(node_pid(tmp_path), signal.SIGKILL)


def node_pid(home: Path) -> int:
    return int((home / "lock").read_text())


def is_gone(pid: int) -> bool:
    """Whether a process has ended (one nobody waited for counts)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_processes_that_start_at_once_share_one_node(home: Path) -> None:
    programs = [
        subprocess.Popen([sys.executable, "-c", PROGRAM, str(at)], stdout=subprocess.PIPE)
        for at in range(6)
    ]
    said = {program.communicate(timeout=60)[0] for program in programs}
    assert len(said) == 1
    assert [program.returncode for program in programs] == [0] * 6
    with coord.connect() as client:
        values = sorted(kv.value for kv in client.get("seen/", prefix=True).kvs)
    assert values == [b"%d" % at for at in range(6)]


def test_after_a_crash_the_next_client_starts_it_again_with_its_data(home: Path) -> None:
    with coord.connect() as client:
        client.put("k", "kept")
    pid = node_pid(home)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: is_gone(pid), 10.0, lambda: "the node did not end")
    with coord.connect(timeout_ms=30_000) as client:
        assert client.get("k").kvs[0].value == b"kept"
    assert node_pid(home) != pid


def test_it_outlives_the_process_that_started_it(home: Path) -> None:
    subprocess.run([sys.executable, "-c", PROGRAM, "0"], check=True, stdout=subprocess.PIPE)
    assert not is_gone(node_pid(home))
