"""The commands of recipes, run in this process against a store in this process."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result

from coord.cli.main import main
from coord.client.ops import Text
from coord.testing.local import LocalClient, LocalCluster, LocalWatch
from recipes.commands.connection import AioConnector

TURNS = 50


class FollowedClient(LocalClient):
    """Once a watch is made, does what the test says, and then has the process told to end."""

    def __init__(
        self, cluster: LocalCluster, steps: list[Callable[[], object]], is_ended: bool
    ) -> None:
        super().__init__(cluster)
        self._steps = steps
        self._is_ended = is_ended

    def watch(self, key: Text, **options: Any) -> LocalWatch:
        self._step_soon()
        return super().watch(key, **options)

    def _step(self) -> None:
        if self._steps:
            self._steps.pop(0)()
        elif self._is_ended:
            os.kill(os.getpid(), signal.SIGTERM)
            return
        else:
            return
        self._step_soon()

    def _step_soon(self, turns: int = TURNS) -> None:
        """Go on when everybody who waits has had some turns of the loop to see what happened."""
        if turns:
            asyncio.get_running_loop().call_soon(self._step_soon, turns - 1)
        else:
            self._step()


class RecipeCommands:
    """Runs `coord` against one store, as often as the test likes."""

    def __init__(self) -> None:
        self.cluster = LocalCluster()
        self.steps: list[Callable[[], object]] = []
        self.is_ended = True
        """Whether a command that watches is told to end once the steps are done."""
        self.given = b""
        """What commands read from stdin."""

    def __call__(self, *args: str) -> Result:
        connector = AioConnector(lambda endpoints, timeout_ms: contextlib.nullcontext(self.client))
        return CliRunner().invoke(main, list(args), self.given, obj=connector, prog_name="coord")

    @property
    def client(self) -> FollowedClient:
        """Return one more client."""
        return FollowedClient(self.cluster, self.steps, self.is_ended)


@pytest.fixture
def coord_command() -> RecipeCommands:
    """Return a `coord` with a store of its own."""
    return RecipeCommands()
