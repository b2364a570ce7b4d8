"""`coord up`: a cluster of processes on this machine, in the foreground."""

import asyncio
import contextlib
import signal
from pathlib import Path
from typing import Any

import click

from coord import aio
from coord.cli.exits import ExitCode
from coord.cli.node_options import tuning_options
from coord.cli.ports import refuse_taken_ports
from coord.cli.processes import NodePlan, NodeProcesses, node_config, plan_nodes
from coord.cli.ready_file import ready_text, write_ready_file
from coord.errors import CoordError, Misuse

POLL_S = 0.5  # how often the ready file's leader is looked at again
RESTART_S = 0.5  # before a node that died is started again: no spinning on a lasting fault
ATTEMPT_MS = 2_000.0
NODES_MAX = 9


@click.command(name="up")
@click.option(
    "--nodes", "count", type=click.IntRange(1, NODES_MAX), default=3, show_default=True,
    help="How many members.",
)  # fmt: skip
@click.option(
    "--data-dir",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder with one subfolder per member; kept when the cluster stops.",
)
@click.option(
    "--base-port", type=click.IntRange(1, 65000), default=7400, show_default=True,
    help="Node i listens on BASE + 10 i + 1 for peers and BASE + 10 i + 2 for clients.",
)  # fmt: skip
@click.option(
    "--ready-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write here, as JSON, who runs where, once a leader serves.",
)
@click.option("--restart", is_flag=True, help="Start a node again when it dies by itself.")
@tuning_options
def up(
    count: int,
    data_dir: Path,
    base_port: int,
    ready_file: Path | None,
    restart: bool,
    **tuning: Any,
) -> int:
    """Run a local cluster, one process per member, until TERM or Ctrl-C.

    A node that dies by itself is reported and left dead, unless --restart is given. The ready file
    holds {"nodes": [{"name", "pid", "client", "peer"}], "leader": name}; it is replaced whenever
    a pid or the leader changes, and removed at the end.

    \b
    Example:
        coord up --nodes 3 --data-dir /tmp/coord-data --base-port 7400 --ready-file /tmp/ready
        coord --help            # how to use it from another terminal
    """
    if not __debug__:
        raise Misuse("asserts guard what must never happen; run without python -O")
    plans = plan_nodes(count, data_dir, base_port)
    for plan in plans:
        # A fault that every node would meet is told once, before any of them starts.
        node_config(plan, plans, tuning)
    # Found by the first reader of the ready file otherwise: another cluster's nodes would answer.
    refuse_taken_ports(plans)
    cluster = _Cluster(plans, tuning, ready_file, restart)
    return asyncio.run(cluster.run())


class _Cluster:
    """Starts the nodes, follows who leads, and stops all of them at the end."""

    def __init__(
        self,
        plans: tuple[NodePlan, ...],
        tuning: dict[str, object],
        ready_file: Path | None,
        restart: bool,
    ) -> None:
        self._plans = plans
        self._ready_file = ready_file
        self._restart = restart
        self._processes = NodeProcesses(plans, tuning, self._node_died)
        self._leader = ""
        self._written = ""
        self._ending = asyncio.Event()
        self._failed = False
        self._restarts: set[asyncio.Task[None]] = set()

    async def run(self) -> int:
        """Return the exit code when asked to end, or when nothing is left to run."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._ending.set)
        if self._ready_file is not None:
            self._ready_file.unlink(missing_ok=True)
        for plan in self._plans:
            await self._processes.start(plan)
        following = asyncio.create_task(self._follow_leader())
        asked = asyncio.create_task(self._ending.wait())
        try:
            await asyncio.wait({following, asked}, return_when=asyncio.FIRST_COMPLETED)
            if following.done():
                following.result()  # it never ends by itself: this raises what went wrong
        finally:
            for task in (following, asked):
                task.cancel()
            await asyncio.gather(following, asked, return_exceptions=True)
            await self._processes.stop()
            if self._ready_file is not None:
                self._ready_file.unlink(missing_ok=True)
        return ExitCode.NOT_DONE if self._failed else ExitCode.OK

    async def _follow_leader(self) -> None:
        """Keep the ready file true: ask who leads, now and again."""
        addresses = [plan.client for plan in self._plans]
        async with aio.connect(addresses, timeout_ms=ATTEMPT_MS) as client:
            while True:
                # No leader yet, or no longer: the file stays as it was until there is one.
                with contextlib.suppress(CoordError):
                    await self._look(client)
                await asyncio.sleep(POLL_S if self._leader else POLL_S / 10)

    async def _look(self, client: aio.Client) -> None:
        if not self._leader:
            # A linearizable read is answered only where a leader serves.
            await client.get("coord/up", count_only=True)
        status = await client.status()
        names = {member.node: member.name for member in status.members}
        leader = names.get(status.leader, "")
        if not leader:
            return
        first = not self._leader
        self._leader = leader
        self._write_ready_file()
        if first:
            clients = ",".join(plan.client for plan in self._plans)
            click.echo(f"coord: {leader} leads; clients use {clients}", err=True)

    def _write_ready_file(self) -> None:
        if self._ready_file is None or not self._leader:
            return
        nodes = [(plan, self._processes.pid(plan.name)) for plan in self._plans]
        text = ready_text(nodes, self._leader)
        if text == self._written:
            return
        try:
            write_ready_file(self._ready_file, text)
        except OSError as error:
            # Whoever waits for the file would wait forever.
            click.echo(f"coord: ready file: {error}", err=True)
            self._fail()
        self._written = text

    def _node_died(self, plan: NodePlan, status: int) -> None:
        how = f"signal {-status}" if status < 0 else f"exit code {status}"
        click.echo(f"coord: {plan.name} ended by itself: {how}", err=True)
        if not self._leader or (not self._processes.running_count and not self._restart):
            # Before the first leader a death is a fault of the set-up: a port, a damaged folder.
            self._fail()
            return
        self._write_ready_file()
        if self._restart:
            task = asyncio.create_task(self._start_again(plan))
            self._restarts.add(task)
            task.add_done_callback(self._restarts.discard)

    def _fail(self) -> None:
        self._failed = True
        self._ending.set()

    async def _start_again(self, plan: NodePlan) -> None:
        await asyncio.sleep(RESTART_S)
        await self._processes.start(plan)
        self._write_ready_file()
