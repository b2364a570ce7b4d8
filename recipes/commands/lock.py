"""`coord lock`: hold a lock while a command runs, or until told to end."""

import asyncio

import click

from coord import aio
from coord.cli.arguments import BYTES, SECONDS
from coord.errors import NotDone
from recipes.commands.running import Stage, lost, say
from recipes.errors import NotHolder, SessionLost, StillHeld
from recipes.hold import Hold
from recipes.lock import Lock


@click.command(name="lock")
@click.argument("name", type=BYTES)
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--ttl",
    "ttl_ms",
    type=SECONDS,
    default="10",
    show_default=True,
    help="Seconds after this process's last sign of life before the lock goes to the next.",
)
@click.option("--try", "only_try", is_flag=True, help="Do not wait: end with 4 if it is held.")
@click.option("--wait", "wait_ms", type=SECONDS, help="Seconds to wait at most. Default: for ever.")
@click.option(
    "--endpoints",
    envvar="COORD_ENDPOINTS",
    metavar="ADDRESSES",
    help="Client addresses of some members. Default: COORD_ENDPOINTS, else this machine's own.",
)
def lock(
    name: bytes,
    command: tuple[str, ...],
    ttl_ms: int,
    only_try: bool,
    wait_ms: int | None,
    endpoints: str | None,
) -> int:
    """Hold the lock NAME while COMMAND runs, and end with its exit code.

    The command finds the lock's key and fencing token in COORD_LOCK_KEY and COORD_LOCK_TOKEN.
    Without a command the key is printed, and the lock held until TERM or Ctrl-C. Put -- before a
    command with options of its own.

    \b
    Example:
        coord lock reports/nightly --ttl 5 -- make -C reports nightly
    """
    if only_try and wait_ms is not None:
        raise click.UsageError("--try and --wait exclude each other")
    stage = Stage()

    async def work() -> int:
        async with aio.connect(endpoints) as client, client.session(ttl_ms) as session:
            place = Lock(client, name)
            if only_try:
                hold = await place.try_acquire(session)
                if hold is None:
                    raise StillHeld
            else:
                hold = await place.acquire(session, wait_ms)
            return await _while_held(stage, hold, command)

    return asyncio.run(stage.run(work()))


async def _while_held(stage: Stage, hold: Hold, command: tuple[str, ...]) -> int:
    code: int | None = None
    if command:
        told = {"COORD_LOCK_KEY": hold.key.decode(errors="replace")}
        told["COORD_LOCK_TOKEN"] = str(hold.token)
        code = await stage.command(command, told, hold.ended)
    else:
        say(hold.key)
        await hold.ended()
    if code is None:
        return lost("lock")
    try:
        await hold.release()
    except (NotHolder, SessionLost):
        return lost("lock")
    except NotDone as error:
        # The command did its work under the lock; that goes with the session now.
        click.echo(f"coord: not released: {error}", err=True)
    return code
