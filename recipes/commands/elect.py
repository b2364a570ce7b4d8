"""`coord elect`: lead while a command runs, or until told to end; or follow who leads."""

import asyncio

import click

from coord import aio
from coord.cli.arguments import BYTES, SECONDS
from recipes.commands.running import Stage, lost, say
from recipes.election import Election, Leadership


@click.command(name="elect")
@click.argument("name", type=BYTES)
@click.argument("value", type=BYTES, required=False)
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--ttl",
    "ttl_ms",
    type=SECONDS,
    default="10",
    show_default=True,
    help="Seconds after this process's last sign of life before the next in line leads.",
)
@click.option("--listen", is_flag=True, help="Do not stand: print each leader's key and value.")
@click.option(
    "--endpoints",
    envvar="COORD_ENDPOINTS",
    metavar="ADDRESSES",
    help="Client addresses of some members. Default: COORD_ENDPOINTS, else this machine's own.",
)
def elect(
    name: bytes,
    value: bytes | None,
    command: tuple[str, ...],
    ttl_ms: int,
    listen: bool,
    endpoints: str | None,
) -> int:
    """Stand for the office NAME with VALUE; once leading, run COMMAND and end with its exit code.

    The command finds the leader's key and fencing token in COORD_LEADER_KEY and
    COORD_LEADER_TOKEN. Without a command key and value are printed, and the office held until TERM
    or Ctrl-C. Put -- before a command with options of its own.

    \b
    Example:
        coord elect builders host-7 -- ./build-index --full
    """
    if not name:
        raise click.BadParameter("''; not empty", param_hint="NAME")
    if listen and value is not None:
        raise click.UsageError("--listen takes no VALUE")
    if not listen and value is None:
        raise click.UsageError("VALUE is missing: what to proclaim, or --listen")
    stage = Stage()

    async def work() -> int:
        async with aio.connect(endpoints) as client:
            election = Election(client, name + b"/")
            if listen:
                return await _follow(election)
            async with client.session(ttl_ms) as session:
                leadership = await election.campaign(session, value or b"")
                return await _while_leading(stage, leadership, value or b"", command)

    return asyncio.run(stage.run(work()))


async def _follow(election: Election) -> int:
    async for leader in election.observe():
        say(leader.key, leader.value)
    return 0


async def _while_leading(
    stage: Stage, leadership: Leadership, value: bytes, command: tuple[str, ...]
) -> int:
    code: int | None = None
    if command:
        told = {"COORD_LEADER_KEY": leadership.key.decode(errors="replace")}
        told["COORD_LEADER_TOKEN"] = str(leadership.token)
        code = await stage.command(command, told, leadership.ended)
    else:
        say(leadership.key, value)
        await leadership.ended()
    return lost("office") if code is None else code
