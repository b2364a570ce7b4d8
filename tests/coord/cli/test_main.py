"""The command as a whole: help, endpoints, signals, extensions."""

import signal
import sys
from importlib.metadata import EntryPoint
from typing import Any

import click
import pytest

from coord.cli.main import COMMANDS, main
from coord.requests import RangeReply


def test_without_a_command_the_help_is_shown(coord_command: Any) -> None:
    result = coord_command()
    assert result.exit_code == 2
    assert "Commands:" in result.output


def test_an_unknown_command_is_misuse(coord_command: Any) -> None:
    result = coord_command("bogus")
    assert result.exit_code == 2
    assert result.stderr == "coord: No such command 'bogus'. (see coord --help)\n"


def test_the_version_can_be_asked_for(coord_command: Any) -> None:
    result = coord_command("version")
    assert result.stdout.startswith("coord 0.1.0\nprotocol 1\npython 3.")


def test_endpoints_come_from_the_option_or_the_environment(
    coord_command: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    coord_command("get", "a", get=RangeReply(1))
    assert coord_command.client.connected_with == (None, 10_000)
    monkeypatch.setenv("COORD_ENDPOINTS", "tcp://a:1")
    coord_command("get", "a", "--timeout", "0.5")
    assert coord_command.client.connected_with == ("tcp://a:1", 500)
    coord_command("get", "a", "--endpoints", "tcp://b:1,tcp://c:1")
    assert coord_command.client.connected_with == ("tcp://b:1,tcp://c:1", 10_000)


def test_control_c_ends_with_130(coord_command: Any) -> None:
    result = coord_command("get", "a", get=KeyboardInterrupt())
    assert result.exit_code == 130
    assert "Traceback" not in result.output
    assert coord_command.client.closed


def test_term_closes_the_client_and_ends_with_143(
    coord_command: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = signal.getsignal(signal.SIGTERM)

    def asked(*_: Any, **__: Any) -> Any:
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(coord_command.client, "get", asked, raising=False)
    result = coord_command("get", "a")
    assert result.exit_code == 143
    assert coord_command.client.closed
    assert signal.getsignal(signal.SIGTERM) is before


def test_other_packages_add_commands_but_cannot_replace_one(
    coord_command: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    @click.command()
    def hello() -> None:
        """Say hello."""
        click.echo("hello")

    module = type(sys)("coord_test_extension")
    monkeypatch.setitem(sys.modules, "coord_test_extension", module)
    monkeypatch.setattr(module, "hello", hello, raising=False)
    points = [
        EntryPoint(name, "coord_test_extension:hello", "coord.commands")
        for name in ("hello", "get")
    ]
    monkeypatch.setattr(sys.modules["coord.cli.main"], "entry_points", lambda group: points)
    assert coord_command("hello").stdout == "hello\n"
    assert "hello" in coord_command("--help").stdout
    assert coord_command("get", "a", get=RangeReply(1)).stdout == ""


def test_every_listed_command_loads() -> None:
    context = click.Context(main)
    for name in main.list_commands(context):
        found = main.get_command(context, name)
        assert found is not None
        assert name not in COMMANDS or found.name == name
