"""`coord serve`: one node in the foreground."""

import signal
import sys
from pathlib import Path
from typing import Any

import click

from coord.cli.exits import ExitCode
from coord.cli.node_options import tuning_options
from coord.cli.parent_death import die_with_parent
from coord.config import NodeConfig, parse_initial_cluster
from coord.errors import CoordError, Misuse
from transport.base import TransportError


@click.command(name="serve")
@click.option("--name", required=True, help="This member's name, one of the initial cluster's.")
@click.option(
    "--data-dir",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder of this member's log and snapshots; made if missing.",
)
@click.option("--listen-peer", required=True, help="Address for the other members: tcp://host:port")
@click.option("--listen-client", required=True, help="Address for clients: tcp://host:port")
@click.option("--advertise-peer", help="Where the others reach --listen-peer, if elsewhere.")
@click.option("--advertise-client", help="Where clients reach --listen-client, if elsewhere.")
@click.option(
    "--initial-cluster",
    required=True,
    help="Every first member: n1=tcp://host:port,n2=tcp://host:port (peer addresses).",
)
@click.option(
    "--cluster-token", default="coord", show_default=True, help="Keeps like-named clusters apart."
)
@click.option("--parent-pid", type=int, hidden=True, help="End when this process is gone.")
@tuning_options
def serve(initial_cluster: str, parent_pid: int | None, **options: Any) -> int:
    """Run one node of a cluster until TERM or Ctrl-C.

    The first start with an empty data folder makes the member; later starts continue from what is
    there. The name, the token and the list of members must stay as they were.

    \b
    Example, the first of three:
        coord serve --name n1 --data-dir /var/lib/coord/n1 \\
            --listen-peer tcp://127.0.0.1:7411 --listen-client tcp://127.0.0.1:7412 \\
            --initial-cluster \\
            n1=tcp://127.0.0.1:7411,n2=tcp://127.0.0.1:7421,n3=tcp://127.0.0.1:7431
    """
    if not __debug__:
        raise Misuse("asserts guard what must never happen; run without python -O")
    if parent_pid is not None:
        die_with_parent(parent_pid, signal.SIGTERM)
    given = {name: value for name, value in options.items() if value is not None}
    config = NodeConfig(initial_cluster=parse_initial_cluster(initial_cluster), **given)
    return _run(config)


def _run(config: NodeConfig) -> int:
    # Late, so that a mistyped option is answered without loading the whole node.
    from coord.node.serve import serve as serve_node

    try:
        return serve_node(config)
    except (TransportError, OSError) as error:
        raise CoordError(f"{config.name}: {error}") from error
    except KeyboardInterrupt:
        # Before the node listens for signals there is nothing to leave.
        sys.exit(ExitCode.INTERRUPTED)
