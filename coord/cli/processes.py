"""The nodes of a local cluster as child processes: started, watched, stopped.

Knows command lines and signals, nothing of keys. Children get their own session, so that a Ctrl-C
in the terminal reaches only the parent, which then stops them in order; if the parent is killed,
the kernel stops them.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs

from coord.cli.node_options import as_arguments
from coord.config import NodeConfig

STOP_DEADLINE_S = 10.0  # between TERM and KILL; a node needs about two seconds to leave


@attrs.frozen
class NodePlan:
    """Where one node of a local cluster lives."""

    name: str
    peer: str
    client: str
    data_dir: Path


def plan_nodes(count: int, data_dir: Path, base_port: int) -> tuple[NodePlan, ...]:
    """Lay out a cluster: node i uses base + 10 i + 1 for peers and base + 10 i + 2 for clients."""
    return tuple(
        NodePlan(
            name=f"n{i}",
            peer=f"tcp://127.0.0.1:{base_port + 10 * i + 1}",
            client=f"tcp://127.0.0.1:{base_port + 10 * i + 2}",
            data_dir=data_dir / f"n{i}",
        )
        for i in range(1, count + 1)
    )


def node_config(
    plan: NodePlan, plans: tuple[NodePlan, ...], tuning: Mapping[str, Any]
) -> NodeConfig:
    """Return the settings one node will have; Misuse where they cannot work."""
    return NodeConfig(
        name=plan.name,
        data_dir=plan.data_dir,
        listen_peer=plan.peer,
        listen_client=plan.client,
        initial_cluster={each.name: each.peer for each in plans},
        **tuning,
    )


def serve_command(
    plan: NodePlan, plans: tuple[NodePlan, ...], tuning: Mapping[str, object]
) -> list[str]:
    """Return the command line of one node."""
    members = ",".join(f"{each.name}={each.peer}" for each in plans)
    return [
        *(sys.executable, "-m", "coord.cli", "serve"),
        *("--name", plan.name, "--data-dir", str(plan.data_dir)),
        *("--listen-peer", plan.peer, "--listen-client", plan.client),
        *("--initial-cluster", members, "--parent-pid", str(os.getpid())),
        *as_arguments(tuning),
    ]


class NodeProcesses:
    """Runs one process per plan; says when one ends that was not asked to."""

    def __init__(
        self,
        plans: tuple[NodePlan, ...],
        tuning: Mapping[str, object],
        on_exit: Callable[[NodePlan, int], None],
    ) -> None:
        self._plans = plans
        self._tuning = tuning
        self._on_exit = on_exit
        self._running: dict[str, asyncio.subprocess.Process] = {}
        self._waiting: dict[str, asyncio.Task[None]] = {}
        self._stopping = False

    def pid(self, name: str) -> int | None:
        """Return a node's process id; None while it does not run."""
        process = self._running.get(name)
        return process.pid if process is not None else None

    @property
    def running_count(self) -> int:
        """How many nodes run."""
        return len(self._running)

    async def start(self, plan: NodePlan) -> None:
        """Start one node."""
        assert plan.name not in self._running
        if self._stopping:
            return
        command = serve_command(plan, self._plans, self._tuning)
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, start_new_session=True
        )
        self._running[plan.name] = process
        self._waiting[plan.name] = asyncio.create_task(self._watch(plan, process))

    async def stop(self) -> None:
        """Send TERM to all; after the deadline, KILL. Returns when none is left."""
        self._stopping = True
        for process in list(self._running.values()):
            _signal(process, signal.SIGTERM)
        waiting = list(self._waiting.values())
        if not waiting:
            return
        _, late = await asyncio.wait(waiting, timeout=STOP_DEADLINE_S)
        if late:
            for process in list(self._running.values()):
                # A stopped process (SIGSTOP) cannot take TERM, but KILL always works.
                _signal(process, signal.SIGKILL)
            await asyncio.wait(late)

    async def _watch(self, plan: NodePlan, process: asyncio.subprocess.Process) -> None:
        status = await process.wait()
        del self._running[plan.name]
        if not self._stopping:
            self._on_exit(plan, status)


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except ProcessLookupError:
        return  # it ended meanwhile, which is what was wanted
