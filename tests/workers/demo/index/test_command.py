"""`coord demo index` as a person runs it: real processes, really killed."""

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from workers.demo.index.director import CHANGES

pytestmark = [pytest.mark.integration, pytest.mark.slow]

START = (
    "from workers.demo.command import demo; from coord.cli.main import main;"
    " main.add_command(demo); main()"
)


def command(*arguments: str) -> list[str]:
    """Return the command line, independent of how the package was installed."""
    return [sys.executable, "-c", START, "demo", "index", *arguments]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Enough files for some forty batches."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    for number in range(160):
        words = " ".join(f"word{number}_{place} common" for place in range(4000))
        (folder / f"file{number:03}.txt").write_text(words)
    return folder


@pytest.mark.parametrize("victim", ["builder", "helper"])
def test_the_index_is_complete_though_the_leader_and_a_worker_were_killed(
    corpus: Path, tmp_path: Path, victim: str
) -> None:
    ran = subprocess.run(
        command("--corpus", str(corpus), "--victim", victim, "-w", "json", "--deadline", "90"),
        capture_output=True,
        timeout=110,
    )
    summary = json.loads(ran.stdout)
    assert summary["complete"], ran.stderr.decode()
    assert ran.returncode == 0
    assert (summary["files"], summary["builds"]) == (160 + CHANGES, 2)
    assert summary["retries"] >= 1
    assert summary["killed_node"]
    assert summary["killed_worker"]
    assert len(summary["builders"]) == (2 if victim == "builder" else 1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_process_is_left_when_it_is_stopped_half_way(
    corpus: Path, tmp_path: Path, number: signal.Signals
) -> None:
    work = tmp_path / "work"
    process = subprocess.Popen(
        command("--corpus", str(corpus), "--keep", str(work)),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if b"batches " in line:
            break
    process.send_signal(number)
    process.wait(30)
    process.stderr.close()
    assert process.returncode in {130, 143, -signal.SIGKILL}
    for pid in processes_about(work):
        await_end(pid)
    assert processes_about(work) == []


def test_a_corpus_without_source_files_is_refused(tmp_path: Path) -> None:
    ran = subprocess.run(
        command("--corpus", str(tmp_path)), capture_output=True, timeout=60, check=False
    )
    assert ran.returncode == 2
    assert b"no text files" in ran.stderr


def await_end(pid: int) -> None:
    """Wait, for at most ten seconds, until a process of somebody else has ended."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        select.select([process], [], [], 10)
    finally:
        os.close(process)


def processes_about(folder: Path) -> list[int]:
    """Return the processes whose command line names `folder`."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                words = (entry / "cmdline").read_bytes()
            except OSError:
                continue  # it ended while we looked
            if str(folder).encode() in words:
                found.append(int(entry.name))
    return found
