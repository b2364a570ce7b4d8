"""A coord cluster of this machine, run as anybody would run one: by `coord up`."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import coord

PATIENCE_S = 120.0


class CoordCluster:
    """Members on 127.0.0.1 with coord's own defaults."""

    def __init__(
        self, folder: Path, base_port: int, members: int = 3, options: tuple[str, ...] = ()
    ) -> None:
        self._folder = folder
        self._ready_file = folder / "ready.json"
        self._command = [
            *(sys.executable, "-m", "coord.cli", "up", "--nodes", str(members)),
            *("--data-dir", str(folder / "coord"), "--base-port", str(base_port)),
            *("--ready-file", str(self._ready_file), *options),
        ]
        self._process: subprocess.Popen[bytes] | None = None
        self.nodes: list[dict[str, Any]] = []

    @property
    def endpoints(self) -> str:
        """Every member's client address, separated by commas."""
        return ",".join(str(node["client"]) for node in self.nodes)

    def start(self) -> None:
        """Start every member and wait until the cluster serves.

        Raises:
            RuntimeError: it does not serve in time; with what it said.
        """
        with (self._folder / "up.log").open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        end_s = time.monotonic() + PATIENCE_S
        while not self._ready_file.exists():
            if self._process.poll() is not None or time.monotonic() > end_s:
                self.stop()
                said = (self._folder / "up.log").read_text()[-2000:]
                raise RuntimeError(f"coord does not serve:\n{said}")
            pause(0.05)
        self.refresh()

    def refresh(self) -> None:
        """Read again who runs where and who leads."""
        self.nodes = json.loads(self._ready_file.read_text())["nodes"]

    def leader(self) -> dict[str, Any]:
        """Return the node that leads, as the ready file has it."""
        ready = json.loads(self._ready_file.read_text())
        return next(node for node in ready["nodes"] if node["name"] == ready["leader"])

    def kill(self, name: str) -> int:
        """Kill one member of this cluster without warning, and return its process id."""
        (node,) = (node for node in self.nodes if node["name"] == name)
        os.kill(node["pid"], signal.SIGKILL)
        return int(node["pid"])

    def freeze(self) -> None:
        """Stop every process where it is, so that it takes nothing from others."""
        assert self._process is not None
        for pid in (self._process.pid, *(int(node["pid"]) for node in self.nodes)):
            os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let every process go on, and wait until the cluster has served a write again."""
        assert self._process is not None
        for pid in (self._process.pid, *(int(node["pid"]) for node in self.nodes)):
            os.kill(pid, signal.SIGCONT)
        with coord.connect(self.endpoints, timeout_ms=PATIENCE_S * 1000) as client:
            client.put("bench/thawed")

    def stop(self) -> None:
        """End every member."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None


def pause(seconds: float) -> None:
    """Let another process get on with it: a benchmark has nothing to wait on but the clock."""
    select.select([], [], [], seconds)
