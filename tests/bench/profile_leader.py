"""Where a put's time goes: microseconds per put of one process, stage by stage.

py-spy samples the process while a load of puts runs; each sample counts for the innermost frame
that belongs to a stage. Only samples of the thread that holds the interpreter's lock count, and
the kernel tells how much processor time there was to divide: this is cost, not latency.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import click

from tests.bench.coord_cluster import CoordCluster, pause
from tests.bench.cpu_time import children, thread_seconds

RATE_HZ = 250
SETTLE_S = 1.0  # the load starts before the sampling does

STAGES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("send", ("transport/zmtp_connection.py:flush", "transport/zmtp_connection.py:queue",
              "transport/zmtp_clients.py:send", "transport/zmtp_outgoing.py:send",
              "transport/zeromq_channel.py:send")),
    ("receive", ("transport/zmtp_connection.py:read", "transport/zmtp_wire.py",
                 "transport/zmtp_door.py", "transport/zmtp_clients.py", "transport/zmtp_peers.py",
                 "transport/zeromq_channel.py:receive", "transport/zeromq_socket.py:is_ready")),
    ("wait", ("transport/zmtp_poller.py",)),
    ("decode", ("coord/codec.py:decode",)),
    ("encode", ("coord/codec.py:encode",)),
    ("check", ("coord/node/refusals.py", "coord/node/intake.py")),
    ("propose", ("coord/node/proposing.py", "coord/node/writes.py")),
    ("raft", ("coord/raft/", "coord/node/consensus.py")),
    ("log", ("coord/wal/",)),
    ("apply", ("coord/store/", "coord/node/applying.py")),
    ("watch", ("coord/node/streams.py", "coord/store/watches.py")),
    ("answer", ("coord/node/answering.py",)),
    ("loop", ("coord/node/driver.py", "coord/node/serve.py")),
    ("client", ("coord/client/", "coord/cli/bench_")),
    ("event loop", ("asyncio/",)),
)  # fmt: skip


def stage_of(stack: list[str]) -> str:
    """Return the stage of one sample; `stack` holds "file:function" from the outside in."""
    for frame in reversed(stack):
        for stage, places in STAGES:
            if any(place in frame for place in places):
                return stage
    return "other"


def parse(raw: str) -> list[tuple[list[str], int]]:
    """Read py-spy's raw format: per line one stack, its frames split by semicolons, and a count."""
    samples = []
    for line in raw.splitlines():
        frames, _, count = line.rpartition(" ")
        thread, *stack = frames.split(";")
        samples.append(([thread, *(_place(frame) for frame in stack)], int(count)))
    return samples


def _place(frame: str) -> str:
    """Turn "function (path/file.py:12)" into "path/file.py:function"."""
    function, _, place = frame.partition(" (")
    return f"{place.rpartition(':')[0]}:{function}"


def report(
    samples: list[tuple[list[str], int]], puts: float, used_s: dict[int, float], pid: int
) -> list[str]:
    """Return the lines to print: threads, the main thread's stages, its costliest functions."""
    stages: Counter[str] = Counter()
    functions: Counter[str] = Counter()
    for (thread, *stack), count in samples:
        if stack and "MainThread" in thread:
            stages[stage_of(stack)] += count
            functions[stack[-1]] += count
    # Samples tell shares only: on a busy machine a thread is often sampled while it waits for a
    # processor. The kernel's count of the thread's time turns the shares into microseconds.
    per_put_us = 1e6 / puts
    per_sample_us = used_s[pid] * per_put_us / max(1, stages.total())
    lines = [f"{sum(used_s.values()) * per_put_us:8.2f} us  processor time per put, all threads"]
    for thread_id, seconds in sorted(used_s.items(), key=lambda used: -used[1])[:4]:
        name = "the loop" if thread_id == pid else "another thread (log, snapshot or ZeroMQ)"
        lines.append(f"{seconds * per_put_us:8.2f} us    of it {name}")
    lines.append("the loop's stages:")
    lines += [f"{count * per_sample_us:8.2f} us    {name}" for name, count in stages.most_common()]
    lines.append("own time of single functions of the loop:")
    lines += [
        f"{count * per_sample_us:8.2f} us    {name}" for name, count in functions.most_common(20)
    ]
    return lines


@click.command()
@click.option("--seconds", type=click.IntRange(2), default=8, help="How long to sample.")
@click.option("--clients", type=int, default=1000, help="Puts in flight.")
@click.option("--processes", type=int, default=1, help="Processes of the load.")
@click.option("--op", default="put", help="Load of `coord bench` to profile under.")
@click.option("--who", type=click.Choice(["leader", "follower", "client"]), default="leader")
@click.option("--base-port", type=int, default=26700)
@click.option("--raw", type=click.Path(path_type=Path), help="Keep the samples here.")
def main(
    seconds: int, clients: int, processes: int, op: str, who: str, base_port: int, raw: Path | None
) -> None:
    """Profile one process of a three-node cluster under a load of puts."""
    sampler = shutil.which("py-spy") or str(Path(sys.executable).with_name("py-spy"))
    if not Path(sampler).exists():
        click.echo("skipped: py-spy is not installed", err=True)
        return
    folder = Path(tempfile.mkdtemp(prefix="coord-bench-"))
    cluster = CoordCluster(folder, base_port)
    try:
        cluster.start()
        load = start_load(cluster, op, clients, processes)
        pause(SETTLE_S)
        leader = cluster.leader()
        follower = next(node for node in cluster.nodes if node["name"] != leader["name"])
        pid = {"leader": int(leader["pid"]), "follower": int(follower["pid"])}.get(who)
        if pid is None:
            pid = children(load.pid, "python")[0]
        before_s = thread_seconds(pid)
        samples = sample(sampler, pid, seconds, folder / "samples")
        used_s = {
            thread: after_s - before_s.get(thread, 0.0)
            for thread, after_s in thread_seconds(pid).items()
        }
        out, _ = load.communicate()
        rate = json.loads(out)["per_second"]
        click.echo(f"{who}: {rate:,.0f} {op}/s in all while sampled")
        for line in report(parse(samples), rate * seconds, used_s, pid):
            click.echo(line)
        if raw is not None:
            raw.write_text(samples)
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


def start_load(
    cluster: CoordCluster, op: str, clients: int, processes: int
) -> "subprocess.Popen[bytes]":
    """Start a load that lasts well beyond the sampling, and is ended by its total."""
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "coord.cli", "bench", op, "-w", "json"),
            *("--clients", str(clients), "--total", "1000000", "--processes", str(processes)),
            *("--endpoints", cluster.endpoints),
        ],
        stdout=subprocess.PIPE,
    )


def sample(sampler: str, pid: int, seconds: int, place: Path) -> str:
    """Sample a process and return py-spy's raw lines."""
    subprocess.run(
        [
            *(sampler, "record", "--pid", str(pid), "--rate", str(RATE_HZ)),
            *("--duration", str(seconds), "--format", "raw", "--output", str(place)),
            *("--function", "--nonblocking", "--gil", "--threads"),
        ],
        check=True,
        capture_output=True,
    )
    return place.read_text()


if __name__ == "__main__":
    main()
