"""The commands of the job framework, run in this process against a store in this process."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from coord.cli.main import CommandLine
from coord.client.ops import Text
from coord.testing.local import LocalClient, LocalCluster, LocalWatch
from recipes.commands.connection import AioConnector
from workers.commands.doctor import doctor
from workers.commands.gate import gate
from workers.commands.job import job
from workers.commands.limit import limit
from workers.commands.pipeline import pipeline
from workers.commands.queue import queue
from workers.commands.top import top
from workers.store.jobs import JobStore
from workers.testing.hand_timer import HandTimer

COMMANDS = {
    "doctor": doctor,
    "gate": gate,
    "job": job,
    "limit": limit,
    "pipeline": pipeline,
    "queue": queue,
    "top": top,
}


class Line(CommandLine):
    """`coord`, with the commands under test whether or not they are installed."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return COMMANDS.get(cmd_name)


class SteppingClient(LocalClient):
    """Once a watch is made, does what the test says, one step after another."""

    def __init__(self, cluster: LocalCluster, steps: list[Callable[[], object]]) -> None:
        super().__init__(cluster)
        self._steps = steps

    def watch(self, key: Text, **options: Any) -> LocalWatch:
        asyncio.get_running_loop().call_soon(self._step)
        return super().watch(key, **options)

    def _step(self) -> None:
        if self._steps:
            self._steps.pop(0)()
            # Between two steps everybody who waits has a few turns to see the first.
            asyncio.get_running_loop().call_later(0.01, self._step)


class JobCommands:
    """Runs `coord` against one store, as often as the test likes."""

    def __init__(self) -> None:
        self.cluster = LocalCluster()
        self.steps: list[Callable[[], object]] = []
        self.store = JobStore(self.cluster.client(), timer=HandTimer())

    def __call__(self, *args: str, given: str = "") -> Result:
        client = SteppingClient(self.cluster, self.steps)
        connector = AioConnector(lambda endpoints, timeout_ms: contextlib.nullcontext(client))
        line = Line(name="coord")
        return CliRunner().invoke(line, list(args), given, obj=connector, prog_name="coord")


def end_the_process() -> None:
    """What Ctrl-C elsewhere does to a command that goes on for ever."""
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.fixture
def coord_command() -> JobCommands:
    """Return a `coord` with a store of its own."""
    return JobCommands()


@pytest.fixture
def told_to_end() -> Callable[[], None]:
    """Return the step that ends a command."""
    return end_the_process
