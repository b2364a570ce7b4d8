"""`coord embedded`: look at, or stop, this machine's own store."""

import fcntl
import os
import select
import signal

import click

from coord.cli.output import Format, print_json, print_table, write_out
from coord.client.embedded import EmbeddedPlace, place_of
from coord.errors import MaybeDone

STOP_S = 10.0


@click.group(name="embedded")
def embedded() -> None:
    """Look at, or stop, this machine's own store.

    Programs that name no endpoint share it. It starts with the first of them and stays, so that
    the next finds it warm; its data stay when it is stopped.

    \b
    Example:
        coord embedded status
        coord embedded stop
    """


@embedded.command(name="status")
@write_out()
def status(form: Format) -> None:
    """Say whether the embedded store runs, and where it lives.

    \b
    Example:
        coord embedded status -w json
    """
    place = place_of(os.environ)
    pid = running_pid(place)
    if form is Format.JSON:
        print_json({"running": pid is not None, "pid": pid, "home": str(place.home)})
    elif form is Format.TABLE:
        print_table(("running", "pid", "home"), [(pid is not None, pid or "", str(place.home))])
    else:
        click.echo(f"running as process {pid}" if pid else "not running")
        click.echo(str(place.home))


@embedded.command(name="stop")
def stop() -> None:
    """Stop the embedded store; its data stay, and the next program starts it again.

    Requests under way end as "maybe done" or are repeated when it is back. Ends with 0 also when
    it did not run, and with 3 when it is still there after ten seconds.

    \b
    Example:
        coord embedded stop
    """
    place = place_of(os.environ)
    pid = running_pid(place)
    if pid is None:
        click.echo("not running")
        return
    _end(pid)
    click.echo(f"stopped process {pid}")


def running_pid(place: EmbeddedPlace) -> int | None:
    """Return the process id of the embedded node; None if it does not run.

    The lock tells, not the number beside it: it is held exactly as long as the node lives.
    """
    path = place.home / "lock"
    if not path.exists():
        return None
    with path.open("r+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            text = lock.read().strip()
            return int(text) if text.isdecimal() else None
    return None


def _end(pid: int) -> None:
    """Send TERM and wait for the end."""
    process = os.pidfd_open(pid)
    try:
        os.kill(pid, signal.SIGTERM)
        ended, _, _ = select.select([process], [], [], STOP_S)
    finally:
        os.close(process)
    if not ended:
        raise MaybeDone(f"process {pid} was asked to end and is still there after {STOP_S:.0f} s")
