"""The processes of the demonstration: three nodes and some workers, started, killed, stopped.

Each writes its log into the demonstration's directory. None outlives this process: the kernel
ends them with it, however it ends.
"""

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from attrs import frozen

STOP_DEADLINE_S = 10.0


@frozen
class Program:
    """One process to run: its name and its command line after the interpreter."""

    name: str
    arguments: tuple[str, ...]


@frozen
class Node:
    """One node of the cluster and where clients reach it."""

    name: str
    client: str
    program: Program


class Processes:
    """Runs programs by name."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._running: dict[str, Process] = {}
        self._waits: set[asyncio.Task[None]] = set()
        self.surprise = asyncio.Event()
        """Set when a program has ended that was neither killed nor stopped here."""

    def pid(self, name: str) -> int:
        """Return the process id of a running program."""
        return self._running[name].pid

    @property
    def ended(self) -> list[str]:
        """Programs that ended by themselves, and how, in words."""
        codes = {name: process.returncode for name, process in self._running.items()}
        return [
            f"{name} ended with {code}: {_last_line(self._logs / f'{name}.log')}"
            for name, code in codes.items()
            if code is not None
        ]

    async def start(self, program: Program) -> None:
        """Start a program; what it prints is appended to its log."""
        assert program.name not in self._running
        with (self._logs / f"{program.name}.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *program.arguments,
                stdin=DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._running[program.name] = process
        wait = asyncio.create_task(self._await_end(program.name, process))
        self._waits.add(wait)
        wait.add_done_callback(self._waits.discard)

    async def kill(self, name: str) -> None:
        """Kill a program with SIGKILL and wait for its end."""
        process = self._running.pop(name)
        process.kill()
        await process.wait()

    def freeze(self, name: str) -> None:
        """Stop a program where it stands, until it is killed or thawed."""
        _send(self._running[name], signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """Let a frozen program go on."""
        _send(self._running[name], signal.SIGCONT)

    async def stop(self, names: Sequence[str] | None = None) -> None:
        """Send TERM to programs (all when none are named), KILL to those that take too long."""
        chosen = list(self._running) if names is None else [n for n in names if n in self._running]
        processes = [self._running.pop(name) for name in chosen]
        for process in processes:
            _send(process, signal.SIGTERM)
        waits = [asyncio.ensure_future(process.wait()) for process in processes]
        if not waits:
            return
        _, late = await asyncio.wait(waits, timeout=STOP_DEADLINE_S)
        for process in processes:
            _send(process, signal.SIGKILL)
        if late:
            await asyncio.wait(late)

    async def _await_end(self, name: str, process: Process) -> None:
        await process.wait()
        if self._running.get(name) is process:
            self.surprise.set()


def node_programs(count: int, directory: Path) -> list[Node]:
    """Lay out a local cluster on free ports, its data below `directory`."""
    ports = _free_ports(2 * count)
    places = [
        (f"n{i + 1}", f"tcp://127.0.0.1:{ports[2 * i]}", f"tcp://127.0.0.1:{ports[2 * i + 1]}")
        for i in range(count)
    ]
    members = ",".join(f"{name}={peer}" for name, peer, _ in places)
    return [
        Node(
            name,
            client,
            Program(
                name,
                (
                    *("-m", "coord.cli", "serve", "--name", name),
                    *("--data-dir", str(directory / name)),
                    *("--listen-peer", peer, "--listen-client", client),
                    *("--initial-cluster", members, "--parent-pid", str(os.getpid())),
                ),
            ),
        )
        for name, peer, client in places
    ]


def worker_program(name: str, endpoints: str, directory: Path) -> Program:
    """Return the command line of one worker of the build."""
    module = "workers.demo.index.member"
    arguments = (str(os.getpid()), endpoints, name, str(directory))
    return Program(name, ("-m", module, *arguments))


def _free_ports(count: int) -> list[int]:
    """Find ports nobody uses now; all are held until all are found, so none comes twice."""
    with ExitStack() as stack:
        ports = []
        for _ in range(count):
            holder = stack.enter_context(socket.socket())
            holder.bind(("127.0.0.1", 0))
            ports.append(int(holder.getsockname()[1]))
        return ports


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "without a word")


def _send(process: Process, number: signal.Signals) -> None:
    if process.returncode is None:
        process.send_signal(number)
