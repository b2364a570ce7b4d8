"""A cluster of real processes for tests and examples: `coord up` started, waited for, stopped.

    with started_cluster(tmp_path, nodes=3) as cluster:
        with coord.connect(cluster.endpoints) as client:
            client.put("a", "1")
        os.kill(cluster.pid(cluster.leader), signal.SIGKILL)

Waiting looks at the ready file now and again, up to a deadline; nothing here is timed otherwise.
"""

import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs

from coord.node.free_port import is_free

READY_S = 30.0
STOP_S = 15.0
_LOOK_S = 0.02
_PORTS = range(20_000, 32_000, 100)  # below Linux's ephemeral range


@attrs.define
class LocalProcesses:
    """A running `coord up`."""

    process: subprocess.Popen[bytes]
    ready_file: Path
    log_file: Path
    base_port: int

    @property
    def state(self) -> dict[str, Any]:
        """What the ready file says now."""
        found: dict[str, Any] = json.loads(self.ready_file.read_text())
        return found

    @property
    def leader(self) -> str:
        """The leader's name, as last noticed."""
        return str(self.state["leader"])

    @property
    def endpoints(self) -> str:
        """Client addresses of every node, as `--endpoints` takes them."""
        return ",".join(node["client"] for node in self.state["nodes"])

    def pid(self, name: str) -> int | None:
        """Return a node's process id; None while it does not run."""
        (found,) = (node["pid"] for node in self.state["nodes"] if node["name"] == name)
        return None if found is None else int(found)

    def log(self) -> str:
        """Return what the nodes and `coord up` wrote so far."""
        return self.log_file.read_text(errors="replace")

    def wait_until(self, holds: Callable[[dict[str, Any]], bool], timeout_s: float = 15.0) -> None:
        """Wait until the ready file's content satisfies `holds`; TimeoutError after that."""
        wait_for(lambda: holds(self.state), timeout_s, self.log)


def wait_for(holds: Callable[[], bool], timeout_s: float, explain: Callable[[], str]) -> None:
    """Look until `holds()`.

    Raises:
        TimeoutError: it did not within `timeout_s`; the text is what `explain` returns.
    """
    pause = threading.Event()
    deadline_s = time.monotonic() + timeout_s
    while not holds():
        if time.monotonic() > deadline_s:
            raise TimeoutError(explain())
        pause.wait(_LOOK_S)


@contextmanager
def started_cluster(
    folder: Path, *, nodes: int = 3, options: Sequence[str] = (), base_port: int | None = None
) -> Iterator[LocalProcesses]:
    """Run `coord up` for the length of a `with` block.

    Args:
        folder: where data, log and ready file go; started again there, the cluster continues.
        nodes: how many members.
        options: more of `coord up`'s options.
        base_port: see `coord up`; None draws a free one.

    Raises:
        TimeoutError: no leader within half a minute; the text holds the log.
    """
    if base_port is None:
        base_port = free_base_port(nodes)
    ready_file, log_file = folder / "ready.json", folder / "up.log"
    ready_file.unlink(missing_ok=True)
    command = [sys.executable, "-m", "coord.cli", "up", "--nodes", str(nodes)]
    command += ["--data-dir", str(folder / "data"), "--base-port", str(base_port)]
    command += ["--ready-file", str(ready_file), "--log-level", "warning", *options]
    with log_file.open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    cluster = LocalProcesses(process, ready_file, log_file, base_port)
    try:
        wait_for(lambda: ready_file.exists() or process.poll() is not None, READY_S, cluster.log)
        if process.poll() is not None:
            raise TimeoutError(f"coord up ended with {process.returncode}: {cluster.log()}")
        yield cluster
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> int:
    """End a process by TERM, after a deadline by KILL; return its exit code."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        return process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def free_base_port(nodes: int) -> int:
    """Draw a base port whose addresses are all free at this moment."""
    for base_port in random.SystemRandom().sample(_PORTS, len(_PORTS)):
        ports = [base_port + 10 * i + kind for i in range(1, nodes + 1) for kind in (1, 2)]
        if all(is_free("127.0.0.1", port) for port in ports):
            return base_port
    raise OSError("no free ports")
