"""`coord service`: instances of services, listed while they live."""

import asyncio
from collections.abc import Sequence
from typing import Any

import click
import msgspec

from coord.cli.arguments import SECONDS
from coord.cli.output import Format, print_json, print_table, write_out
from recipes.commands.connection import with_aio_client
from recipes.port import SessionStore
from recipes.registry import PREFIX, WEIGHT_MAX, Instance, Registry


@click.group(name="service")
def service() -> None:
    """List the living instances of services, follow them, or keep one listed.

    An instance is the key services/NAME/ADDRESS under a lease; see recipes.registry.

    \b
    Example:
        coord service register search 10.0.0.7:80 &
        coord service list search
        coord service follow search
    """


def _prefixed(command: Any) -> Any:
    return click.option(
        "--prefix", default=PREFIX, show_default=True, help="Under which keys services are."
    )(command)


@service.command(name="register")
@click.argument("name")
@click.argument("address")
@click.option(
    "--ttl",
    "ttl_ms",
    type=SECONDS,
    default="10",
    show_default=True,
    help="Seconds for which it stays listed at most, when this process dies.",
)
@click.option(
    "--weight",
    type=click.IntRange(1, WEIGHT_MAX),
    default=1,
    show_default=True,
    help="Its share of the load.",
)
@click.option("--meta", multiple=True, metavar="KEY=VALUE", help="A property; may be repeated.")
@_prefixed
@write_out()
@with_aio_client
async def register(
    client: SessionStore,
    form: Format,
    name: str,
    address: str,
    ttl_ms: int,
    weight: int,
    meta: Sequence[str],
    prefix: str,
) -> None:
    """Keep ADDRESS listed as an instance of NAME until Ctrl-C.

    ADDRESS is HOST:PORT as others can reach it. Stopped, the instance is off the list at once;
    killed, when its time to live has passed. When its lease was lost it is registered again.

    \b
    Example:
        coord service register search 10.0.0.7:80
        coord service register search 10.0.0.7:80 --ttl 3 --weight 2 --meta zone=north
    """
    instance = Instance(address, weight, _metadata(meta))
    async with Registry(client, prefix).register(name, instance, ttl_ms=ttl_ms) as presence:
        if form is Format.JSON:
            print_json({"service": name, "lease": presence.lease, **_builtins(instance)})
        elif form is Format.TABLE:
            _print_instances([instance])
        else:
            click.echo(f"{name} is registered at {address}")
        await asyncio.get_running_loop().create_future()  # until a signal cancels us


@service.command(name="list")
@click.argument("name", required=False)
@_prefixed
@write_out()
@with_aio_client
async def list_(client: SessionStore, form: Format, name: str | None, prefix: str) -> None:
    """List the living instances of NAME by address, or of all services.

    \b
    Example:
        coord service list
        coord service list search -w json
    """
    registry = Registry(client, prefix)
    found = {name: await registry.lookup(name)} if name else await registry.services()
    if form is Format.JSON:
        print_json({each: [_builtins(i) for i in found[each]] for each in found})
    elif form is Format.TABLE:
        print_table(
            ("service", "address", "weight", "metadata"),
            [(each, i.address, i.weight, _meta_text(i)) for each in found for i in found[each]],
        )
    else:
        for each, instances in found.items():
            for instance in instances:
                click.echo(instance.address if name else f"{each} {instance.address}")


@service.command(name="follow")
@click.argument("name")
@_prefixed
@write_out()
@with_aio_client
async def follow(client: SessionStore, form: Format, name: str, prefix: str) -> None:
    """Print the living instances of NAME, and again whenever they change, until Ctrl-C.

    Each list is one line of addresses.

    \b
    Example:
        coord service follow search
        coord service follow search -w json
    """
    async with Registry(client, prefix).follow(name) as instances:
        living = instances.living
        while True:
            if form is Format.JSON:
                listed = [_builtins(instance) for instance in living]
                print_json({"revision": instances.revision, "instances": listed})
            elif form is Format.TABLE:
                _print_instances(living)
            else:
                click.echo(" ".join(instance.address for instance in living) or "nobody")
            living = await instances.change()


def _metadata(pairs: Sequence[str]) -> dict[str, str]:
    found = {}
    for pair in pairs:
        key, is_there, value = pair.partition("=")
        if not key or not is_there:
            raise click.BadParameter(f"{pair!r} is not KEY=VALUE", param_hint="--meta")
        found[key] = value
    return found


def _print_instances(instances: Sequence[Instance]) -> None:
    rows = [(each.address, each.weight, _meta_text(each)) for each in instances]
    print_table(("address", "weight", "metadata"), rows)


def _meta_text(instance: Instance) -> str:
    return " ".join(f"{key}={value}" for key, value in sorted(instance.metadata.items()))


def _builtins(instance: Instance) -> dict[str, Any]:
    built: dict[str, Any] = msgspec.to_builtins(instance)
    return built
