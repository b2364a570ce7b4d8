"""A command line whose client answers what the test says."""

from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result

from coord.cli.connection import Connector
from coord.cli.main import main


class ScriptedClient:
    """Records what a command asks of the cluster and gives the answers it was told to give.

    An answer may be a value, an exception to raise, or a list of those, one for each call.
    """

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        self.connected_with: tuple[str | None, int] | None = None
        self.closed = False

    def __enter__(self) -> "ScriptedClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.closed = True

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.calls.append((name, args, kwargs))
            answer = self.answers[name]
            if isinstance(answer, list):
                answer = answer.pop(0)
            if isinstance(answer, BaseException):
                raise answer
            return answer

        return call


class CommandRunner:
    """Runs `coord` in this process against a scripted client."""

    def __init__(self) -> None:
        self.client = ScriptedClient()

    def __call__(self, *args: str, stdin: str | bytes = "", **answers: Any) -> Result:
        self.client.answers.update(answers)
        connector = Connector(self._connect)
        return CliRunner().invoke(main, list(args), input=stdin, obj=connector, prog_name="coord")

    @property
    def call(self) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        """The only call that was made."""
        (found,) = self.client.calls
        return found

    def _connect(self, endpoints: str | None, timeout_ms: int) -> Any:
        self.client.connected_with = (endpoints, timeout_ms)
        return self.client


@pytest.fixture
def coord_command(monkeypatch: pytest.MonkeyPatch) -> CommandRunner:
    """Return a `coord` to run, with no endpoints in its environment."""
    monkeypatch.delenv("COORD_ENDPOINTS", raising=False)
    return CommandRunner()
