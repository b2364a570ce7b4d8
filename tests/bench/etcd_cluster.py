"""An etcd cluster of this machine, for comparing with: started, asked who leads, stopped."""

import json
import shutil
import signal
import subprocess
import time
from pathlib import Path

PATIENCE_S = 30.0


class EtcdCluster:
    """Members on 127.0.0.1, with etcd's own defaults but for addresses and folders."""

    def __init__(self, folder: Path, base_port: int, members: int = 3) -> None:
        self._folder = folder
        self._ports = [(base_port + 2 * i, base_port + 2 * i + 1) for i in range(members)]
        self._processes: list[subprocess.Popen[bytes]] = []
        self.endpoints = [f"http://127.0.0.1:{client}" for client, _ in self._ports]

    @staticmethod
    def is_installed() -> bool:
        """Whether this machine has etcd's server and command line."""
        return bool(shutil.which("etcd") and shutil.which("etcdctl"))

    def start(self) -> None:
        """Start every member and wait until the cluster serves.

        Raises:
            RuntimeError: it does not serve in time; see the log files in the folder.
        """
        cluster = ",".join(
            f"m{i}=http://127.0.0.1:{peer}" for i, (_, peer) in enumerate(self._ports)
        )
        for i, (client, peer) in enumerate(self._ports):
            with (self._folder / f"etcd{i}.log").open("ab") as log:
                self._processes.append(
                    subprocess.Popen(_command(self._folder, i, client, peer, cluster), stderr=log)
                )
        self._wait_for_leader()

    def leader(self) -> str:
        """Return the leader's client address; empty while there is none."""
        asked = subprocess.run(
            [
                *("etcdctl", "--endpoints", ",".join(self.endpoints), "--command-timeout", "2s"),
                *("endpoint", "status", "--write-out", "json"),
            ],
            env={"ETCDCTL_API": "3", "PATH": "/usr/bin:/usr/local/bin:/bin"},
            capture_output=True,
            check=False,
        )
        try:
            answers = json.loads(asked.stdout)
        except ValueError:
            return ""
        for answer in answers or []:
            status = answer["Status"]
            if status.get("leader") == status["header"]["member_id"]:
                return str(answer["Endpoint"])
        return ""

    def freeze(self) -> None:
        """Stop every process where it is, so that it takes nothing from others."""
        for process in self._processes:
            process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let every process go on, and wait until the cluster is led again."""
        for process in self._processes:
            process.send_signal(signal.SIGCONT)
        self._wait_for_leader()

    def _wait_for_leader(self) -> None:
        end_s = time.monotonic() + PATIENCE_S
        while not self.leader():
            if time.monotonic() > end_s:
                self.stop()
                raise RuntimeError(f"etcd does not serve; see {self._folder}/etcd*.log")

    def stop(self) -> None:
        """End every member."""
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            try:
                process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes.clear()


def _command(folder: Path, i: int, client: int, peer: int, cluster: str) -> list[str]:
    return [
        "etcd",
        *("--name", f"m{i}", "--data-dir", str(folder / f"etcd{i}")),
        *("--listen-client-urls", f"http://127.0.0.1:{client}"),
        *("--advertise-client-urls", f"http://127.0.0.1:{client}"),
        *("--listen-peer-urls", f"http://127.0.0.1:{peer}"),
        *("--initial-advertise-peer-urls", f"http://127.0.0.1:{peer}"),
        *("--initial-cluster", cluster, "--initial-cluster-state", "new"),
        *("--log-level", "error"),
        *("--quota-backend-bytes", str(8 << 30)),
    ]
