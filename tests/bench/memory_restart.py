"""A million keys of 256 bytes: memory, restart after a kill, and stalls while a snapshot is made.

Stalls are seen from outside: a serializable read of one key, one after the other, from the node
under test. The longest of them, less the longest of a calm minute's worth, is what the loop was
not there for.
"""

import asyncio
import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click

from coord import aio
from coord.errors import CoordError
from tests.bench.coord_cluster import CoordCluster, pause
from tests.bench.cpu_time import resident_bytes

MIB = 1024 * 1024
CALM_S = 5.0
ATTEMPT_MS = 1000.0
SNAPSHOT_PATIENCE_S = 120.0
RESTART_PATIENCE_S = 300.0


class Stalls:
    """Reads from one node without pause and keeps the longest wait."""

    def __init__(self, client: aio.Client, key: str) -> None:
        self._client = client
        self._key = key
        self.longest_ms = 0.0
        self.reads = 0
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Stalls":
        self._task = asyncio.create_task(self._read_on())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def go_on(self, seconds: float) -> None:
        """Let it read for a while; raises at once what made it stop."""
        assert self._task is not None
        stopped, _ = await asyncio.wait([self._task], timeout=seconds)
        for task in stopped:
            task.result()

    async def _read_on(self) -> None:
        while True:
            began_s = time.perf_counter()
            await self._client.get(self._key, serializable=True)
            self.longest_ms = max(self.longest_ms, (time.perf_counter() - began_s) * 1000)
            self.reads += 1


def put_keys(cluster: CoordCluster, keys: int, first: int, clients: int) -> dict[str, Any]:
    """Write new keys of 256 bytes and return the load's report."""
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "coord.cli", "bench", "put", "-w", "json"),
            *("--clients", str(clients), "--total", str(keys), "--first", str(first)),
            *("--endpoints", cluster.endpoints, "--timeout", "60"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if not ran.stdout:
        raise RuntimeError(ran.stderr)
    report: dict[str, Any] = json.loads(ran.stdout)
    return report


def snapshots(folder: Path) -> set[str]:
    """Return the names of the finished snapshot files below a folder, with their times."""
    return {
        f"{path}:{path.stat().st_mtime_ns}"
        for path in folder.rglob("*")
        if "snapshot" in path.name and path.is_file()
    }


async def measure_stalls(cluster: CoordCluster, folder: Path, keys: int) -> dict[str, Any]:
    """Keep writing until a snapshot was made; measure the waits of the leader and of calm."""
    leader = cluster.leader()
    async with aio.connect(str(leader["client"]), timeout_ms=60_000) as client:
        await client.put("stall", "x")
        async with Stalls(client, "stall") as calm:
            await calm.go_on(CALM_S)
        before = snapshots(folder)
        began_s = time.monotonic()
        writes = 0
        async with Stalls(client, "stall") as busy:
            while snapshots(folder) == before or time.monotonic() - began_s < CALM_S:
                if time.monotonic() - began_s > SNAPSHOT_PATIENCE_S:
                    break
                report = await asyncio.to_thread(put_keys, cluster, 20_000, keys + writes, 100)
                writes += int(report["total"])
        return {
            "calm_longest_ms": calm.longest_ms,
            "longest_ms": busy.longest_ms,
            "snapshot_seen": snapshots(folder) != before,
            "writes_meanwhile": writes,
        }


async def time_restart(cluster: CoordCluster, name: str, keys: int) -> dict[str, Any]:
    """Kill one member; measure from its new start until it answers a read of its own."""
    (node,) = (node for node in cluster.nodes if node["name"] == name)
    old_pid = cluster.kill(name)
    began_s = time.monotonic()
    until_s = began_s + RESTART_PATIENCE_S
    while _pid_of(cluster, name) in (old_pid, 0):
        assert time.monotonic() < until_s, "not started again"
        await asyncio.to_thread(pause, 0.01)
    started_s = time.monotonic()
    async with aio.connect(str(node["client"]), timeout_ms=ATTEMPT_MS) as client:
        while True:
            assert time.monotonic() < until_s, "does not serve"
            try:
                status = await client.status(endpoint=str(node["client"]))
                if status.keys >= keys:
                    break
            except CoordError:
                await asyncio.to_thread(pause, 0.01)
    ready_s = time.monotonic()
    return {
        "restart_s": ready_s - started_s,
        "down_s": ready_s - began_s,
        "resident_mib": resident_bytes(_pid_of(cluster, name)) / MIB,
    }


def _pid_of(cluster: CoordCluster, name: str) -> int:
    """Return a member's process id as the ready file has it now; 0 while it is down."""
    cluster.refresh()
    return next(int(node["pid"] or 0) for node in cluster.nodes if node["name"] == name)


def measure(folder: Path, base_port: int, members: int, keys: int) -> dict[str, Any]:
    """Run everything on a fresh cluster."""
    cluster = CoordCluster(folder, base_port, members, ("--restart",))
    cluster.start()
    try:
        leader = cluster.leader()
        empty_mib = resident_bytes(int(leader["pid"])) / MIB
        load = put_keys(cluster, keys, 0, 1000)
        filled = {
            str(node["name"]): resident_bytes(int(node["pid"])) / MIB for node in cluster.nodes
        }
        stalls = asyncio.run(measure_stalls(cluster, folder, keys))
        restart = asyncio.run(time_restart(cluster, str(leader["name"]), keys))
    finally:
        cluster.stop()
    return {
        "keys": keys,
        "members": members,
        "empty_mib": empty_mib,
        "filled_mib": filled,
        "bytes_per_key": (filled[str(leader["name"])] - empty_mib) * MIB / keys,
        "load_per_second": load["per_second"],
        "load_failed": load["failed"],
        "stalls": stalls,
        "restart": restart,
    }


def lines(found: dict[str, Any]) -> list[str]:
    """Return the findings for people."""
    stalls, restart = found["stalls"], found["restart"]
    filled = ", ".join(f"{name} {mib:,.0f}" for name, mib in found["filled_mib"].items())
    seen = "one was made" if stalls["snapshot_seen"] else "NONE was made in time"
    return [
        f"{found['keys']:,} keys of 256 bytes, {found['members']} members, "
        f"written at {found['load_per_second']:,.0f} /s",
        f"  resident memory     {filled} MiB; empty {found['empty_mib']:,.0f} MiB",
        f"  for each key        {found['bytes_per_key']:,.0f} bytes on the leader",
        f"  longest read        {stalls['longest_ms']:,.1f} ms while writing and saving a "
        f"snapshot ({seen}); {stalls['calm_longest_ms']:,.1f} ms in calm",
        f"  after kill -9       serving {restart['restart_s']:,.2f} s after its start, "
        f"{restart['resident_mib']:,.0f} MiB",
    ]


@click.command()
@click.option("--keys", type=click.IntRange(1000), default=1_000_000)
@click.option("--nodes", "members", type=click.IntRange(1, 9), default=3)
@click.option("--base-port", type=int, default=26800)
@click.option("--data-dir", type=click.Path(path_type=Path))
@click.option("-w", "form", type=click.Choice(["simple", "json"]), default="simple")
def main(keys: int, members: int, base_port: int, data_dir: Path | None, form: str) -> None:
    """Measure memory, restart and stalls with many keys."""
    folder = Path(tempfile.mkdtemp(prefix="coord-bench-", dir=data_dir))
    try:
        found = measure(folder, base_port, members, keys)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if form == "json":
        click.echo(json.dumps(found))
    else:
        for line in lines(found):
            click.echo(line)


if __name__ == "__main__":
    main()
