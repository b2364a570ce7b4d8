"""`coord config`: an application's settings, read, changed and followed by a person."""

from typing import Any

import click
import msgspec

from coord.cli.arguments import BYTES
from coord.cli.output import Format, print_bytes, print_json, print_table, readable, write_out
from coord.model import Event, EventKind, KeyValue
from recipes.commands.connection import with_aio_client
from recipes.mirror import Mirror, read_all
from recipes.port import SessionStore

PREFIX = "config/"


@click.group(name="config")
def config() -> None:
    """Read, change and follow the settings of an application.

    A setting is the key config/APP/NAME; programs follow theirs with recipes.config.

    \b
    Example:
        coord config set search rate 250
        coord config get search
        coord config follow search
    """


def _app_folder(prefix: str, app: str) -> str:
    """Return the key prefix of an application's settings.

    Raises:
        click.BadParameter: no name, or one with a slash: its settings would be another's too.
    """
    if not app or "/" in app:
        raise click.BadParameter(f"{app!r}; not empty and without a slash", param_hint="APP")
    return f"{prefix}{app}/"


def _check_setting(name: str) -> None:
    if not name:
        raise click.BadParameter("''; not empty", param_hint="NAME")


def _prefixed(command: Any) -> Any:
    return click.option(
        "--prefix", default=PREFIX, show_default=True, help="Under which keys settings are."
    )(command)


@config.command(name="get")
@click.argument("app")
@click.argument("name", required=False)
@_prefixed
@write_out()
@with_aio_client
async def get(client: SessionStore, form: Format, app: str, name: str | None, prefix: str) -> None:
    """Print the settings of APP, or the value of its setting NAME.

    All are printed as NAME=VALUE, one to a line; of one setting only its value. Ends with 1 when
    there is no such setting.

    \b
    Example:
        coord config get search
        coord config get search rate
    """
    start = _app_folder(prefix, app).encode()
    if name is None:
        found, _ = await read_all(client, start, prefix=True)
    else:
        _check_setting(name)
        found, _ = await read_all(client, start + name.encode(), prefix=False)
        if not found:
            raise click.ClickException(f"{app} has no setting {name}")
    kvs = [kv for _, kv in sorted(found.items())]
    if form is Format.JSON:
        print_json({_name(kv.key, start): _value(kv.value) for kv in kvs})
    elif form is Format.TABLE:
        rows = [(_name(kv.key, start), kv.value, kv.mod_revision) for kv in kvs]
        print_table(("name", "value", "revision"), rows)
    elif name is not None:
        print_bytes(kvs[0].value)
    else:
        print_bytes(*(_line(kv, start) for kv in kvs))


@config.command(name="set")
@click.argument("app")
@click.argument("name")
@click.argument("value", type=BYTES)
@_prefixed
@write_out()
@with_aio_client
async def set_(
    client: SessionStore, form: Format, app: str, name: str, value: bytes, prefix: str
) -> None:
    """Set NAME of APP to VALUE: JSON, or plain text where the program wants a text.

    Programs that follow it are told at once. One for which VALUE is of the wrong type goes on with
    the last good one.

    \b
    Example:
        coord config set search rate 250
        coord config set search hosts '["10.0.0.7", "10.0.0.8"]'
    """
    start = _app_folder(prefix, app)
    _check_setting(name)
    reply = await client.put(start + name, value)
    if form is Format.JSON:
        print_json({"revision": reply.revision})
    elif form is Format.TABLE:
        print_table(("name", "value", "revision"), [(name, value, reply.revision)])
    else:
        click.echo("OK")


@config.command(name="follow")
@click.argument("app")
@_prefixed
@write_out()
@with_aio_client
async def follow(client: SessionStore, form: Format, app: str, prefix: str) -> None:
    """Print the settings of APP, then each change, until Ctrl-C.

    Each is NAME=VALUE on a line; a setting that went is -NAME. Nothing is missed between the first
    reading and the changes, nor over reconnects and leader changes.

    \b
    Example:
        coord config follow search
        coord config follow search -w json
    """
    start = _app_folder(prefix, app).encode()
    async with Mirror(client, start) as mirror:
        for _, kv in sorted(mirror.keys.items()):
            _print_change(kv, start, form, gone=False)
        while True:
            for event in await mirror.change():
                _print_change(event.kv, start, form, gone=_is_gone(event))


def _print_change(kv: KeyValue, start: bytes, form: Format, *, gone: bool) -> None:
    name = _name(kv.key, start)
    if form is Format.JSON:
        value = None if gone else _value(kv.value)
        print_json({"name": name, "value": value, "gone": gone, "revision": kv.mod_revision})
    elif form is Format.TABLE:
        text = "(gone)" if gone else readable(kv.value)
        click.echo(f"{kv.mod_revision:>10}  {name}  {text}")
    else:
        print_bytes(b"-" + name.encode() if gone else _line(kv, start))


def _is_gone(event: Event) -> bool:
    return event.kind is EventKind.DELETE


def _name(key: bytes, start: bytes) -> str:
    return readable(key.removeprefix(start))


def _line(kv: KeyValue, start: bytes) -> bytes:
    return kv.key.removeprefix(start) + b"=" + kv.value


def _value(raw: bytes) -> object:
    """Return a value as JSON says it: what is no JSON is a text."""
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return readable(raw)
