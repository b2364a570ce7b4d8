"""`coord lease`: promises with an end, and the keys that hang on them."""

import threading
from typing import Any

import click

import coord
from coord.cli.arguments import LEASE, SECONDS, lease_text, seconds_text
from coord.cli.connection import with_client
from coord.cli.output import (
    Format,
    bytes_json,
    header_json,
    print_json,
    print_table,
    readable,
    write_out,
)
from coord.errors import ErrorCode, error_from
from coord.requests import LeaseKeepAliveReply, LeaseTimeToLiveReply

_RENEWALS_PER_TTL = 3


@click.group(name="lease")
def lease() -> None:
    """Make, renew, look at and end leases.

    A lease is a promise with an end; keys put with --lease vanish with it. Ids are typed and shown
    in hexadecimal.

    \b
    Example:
        coord lease grant 30
        coord put --lease 3513a202ebaf0c0d service/a 10.0.0.1:80
        coord lease keep-alive 3513a202ebaf0c0d
    """


@lease.command(name="grant")
@click.argument("ttl", type=SECONDS)
@click.option("--id", "wanted", type=LEASE, default="0", help="Use this id, if it is free.")
@write_out()
@with_client
def grant(client: coord.Client, form: Format, ttl: int, wanted: int) -> None:
    """Make a lease of TTL seconds; decimals are allowed.

    \b
    Example:
        coord lease grant 30
        coord lease grant 0.5
    """
    reply = client.grant(ttl, wanted)
    if form is Format.JSON:
        print_json({"ID": reply.lease, "TTL": _seconds(reply.ttl_ms), "TTL_ms": reply.ttl_ms})
    elif form is Format.TABLE:
        print_table(("lease", "ttl"), [(lease_text(reply.lease), seconds_text(reply.ttl_ms))])
    else:
        click.echo(
            f"lease {lease_text(reply.lease)} granted with TTL({seconds_text(reply.ttl_ms)}s)"
        )


@lease.command(name="revoke")
@click.argument("lease_id", type=LEASE)
@write_out()
@with_client
def revoke(client: coord.Client, form: Format, lease_id: int) -> None:
    """End LEASE_ID now; its keys go, claimed keys return to where they were.

    \b
    Example:
        coord lease revoke 3513a202ebaf0c0d
    """
    reply = client.revoke(lease_id)
    if form is Format.JSON:
        print_json({"header": header_json(reply.revision)})
    elif form is Format.TABLE:
        print_table(("revoked",), [(lease_text(lease_id),)])
    else:
        click.echo(f"lease {lease_text(lease_id)} revoked")


@lease.command(name="keep-alive")
@click.argument("lease_id", type=LEASE)
@click.option("--once", is_flag=True, help="Renew once and end.")
@write_out()
@with_client
def keep_alive(client: coord.Client, form: Format, lease_id: int, once: bool) -> None:
    """Renew LEASE_ID until it ends or Ctrl-C.

    Ends with 1 when the lease is unknown or has ended.

    \b
    Example:
        coord lease keep-alive 3513a202ebaf0c0d
        coord lease keep-alive --once 3513a202ebaf0c0d
    """
    never = threading.Event()
    while True:
        reply = client.keep_alive(lease_id)
        if reply.ttl_ms <= 0:
            raise error_from(ErrorCode.LEASE_NOT_FOUND, lease_text(lease_id))
        _print_renewal(reply, form)
        if once:
            return
        never.wait(reply.ttl_ms / 1000 / _RENEWALS_PER_TTL)


@lease.command(name="ttl")
@click.argument("lease_id", type=LEASE)
@click.option("--keys", is_flag=True, help="Also list the keys that hang on it.")
@write_out()
@with_client
def ttl(client: coord.Client, form: Format, lease_id: int, keys: bool) -> None:
    """Tell what remains of LEASE_ID.

    \b
    Example:
        coord lease ttl 3513a202ebaf0c0d --keys
    """
    reply = client.time_to_live(lease_id, keys)
    if form is Format.JSON:
        print_json(_time_to_live_json(reply))
    elif form is Format.TABLE:
        row = (
            lease_text(reply.lease),
            seconds_text(reply.granted_ms),
            seconds_text(reply.remaining_ms) if reply.remaining_ms >= 0 else "expired",
            " ".join(readable(key) for key in reply.keys),
        )
        print_table(("lease", "granted", "remaining", "keys"), [row])
    else:
        click.echo(_time_to_live_text(reply, keys))


@lease.command(name="list")
@write_out()
@with_client
def list_leases(client: coord.Client, form: Format) -> None:
    """List every lease, the soonest to end first.

    \b
    Example:
        coord lease list
    """
    found = client.leases().leases
    if form is Format.JSON:
        print_json({"leases": [{"id": each} for each in found]})
    elif form is Format.TABLE:
        print_table(("lease",), [(lease_text(each),) for each in found])
    else:
        click.echo("\n".join([f"found {len(found)} leases", *map(lease_text, found)]))


def _print_renewal(reply: LeaseKeepAliveReply, form: Format) -> None:
    if form is Format.JSON:
        print_json({"ID": reply.lease, "TTL": _seconds(reply.ttl_ms), "TTL_ms": reply.ttl_ms})
    else:
        click.echo(
            f"lease {lease_text(reply.lease)} keepalived with TTL({seconds_text(reply.ttl_ms)})"
        )


def _time_to_live_text(reply: LeaseTimeToLiveReply, keys: bool) -> str:
    name = f"lease {lease_text(reply.lease)}"
    if reply.remaining_ms < 0:
        return f"{name} already expired"
    remaining = seconds_text(reply.remaining_ms)
    text = f"{name} granted with TTL({seconds_text(reply.granted_ms)}s), remaining({remaining}s)"
    if keys:
        text += f", attached keys([{' '.join(readable(key) for key in reply.keys)}])"
    return text


def _time_to_live_json(reply: LeaseTimeToLiveReply) -> dict[str, Any]:
    return {
        "id": reply.lease,
        "ttl": _seconds(reply.remaining_ms) if reply.remaining_ms >= 0 else -1,
        "granted-ttl": _seconds(reply.granted_ms),
        "ttl_ms": reply.remaining_ms,
        "granted-ttl_ms": reply.granted_ms,
        "keys": [bytes_json(key) for key in reply.keys],
    }


def _seconds(time_ms: int) -> int:
    """Return whole seconds, rounded up: what etcd's clients expect where we keep milliseconds."""
    return -(-time_ms // 1000)
