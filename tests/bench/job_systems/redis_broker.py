"""A Redis of the comparison's own: memory only, as fast as it can be made."""

import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

from tests.bench.coord_cluster import pause

PATIENCE_S = 20.0
PORT = int(os.environ.get("COORD_BENCH_REDIS_PORT", "26379"))
URL = f"redis://127.0.0.1:{PORT}/0"


def is_installed() -> bool:
    """Whether this machine has a redis-server."""
    return shutil.which("redis-server") is not None


def count_keys(client: Any, pattern: str, wanted: int) -> int:
    """Return how many keys match, exactly once there may be `wanted`; before, only how many are."""
    size = int(client.dbsize())
    if size < wanted:
        return size  # to look at every key again and again would slow down what is measured
    return int(client.eval("return #redis.call('keys', ARGV[1])", 0, pattern))


class RedisBroker:
    """One redis-server without persistence: nothing it acknowledges is on disk."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the server."""
        assert self._process is not None
        return self._process.pid

    def start(self, folder: Path) -> None:
        """Start the server and wait until it answers.

        Raises:
            RuntimeError: it does not.
        """
        import redis

        self._process = subprocess.Popen(
            [
                *("redis-server", "--port", str(PORT), "--bind", "127.0.0.1"),
                *("--save", "", "--appendonly", "no", "--dir", str(folder)),
            ],
            stdout=subprocess.DEVNULL,
        )
        client = redis.Redis.from_url(URL)
        end_s = time.monotonic() + PATIENCE_S
        while True:
            try:
                client.ping()
                break
            except redis.ConnectionError:
                if time.monotonic() > end_s:
                    raise RuntimeError("redis-server does not answer") from None
                pause(0.05)
        client.flushall()
        client.close()

    def stop(self) -> None:
        """End the server."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
