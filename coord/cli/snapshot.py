"""`coord snapshot`: save the whole store to a file, look at it, begin a new cluster with it."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import click

import coord
from coord.cli.connection import with_client
from coord.cli.output import Format, print_json, print_table, write_out
from coord.cli.snapshot_file import read_pieces, save_pieces
from coord.config import NodeConfig, parse_initial_cluster
from coord.errors import Corruption, ProtocolError
from coord.store.restart import REVISION_BUMP, Survey, restarted, survey


@click.group(name="snapshot")
def snapshot() -> None:
    """Save the whole store to a file, look at it, begin a new cluster with it.

    \b
    Example:
        coord snapshot save backup.snap
        coord snapshot status backup.snap
    """


@snapshot.command(name="save")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@write_out()
@with_client
def save(client: coord.Client, form: Format, file: Path) -> None:
    """Save the store to FILE, as one node has it at one moment.

    Holds everything written before the command began: keys with their history, leases, claims,
    cluster time. The node goes on serving meanwhile. FILE appears when it is complete, checked
    and durable.

    \b
    Example:
        coord snapshot save backup.snap
    """
    save_pieces(file, _fetch(client))
    found = _survey(file)
    if form is Format.SIMPLE:
        click.echo(f"snapshot of revision {found.revision} saved at {file}")
    else:
        _print_survey(found, form)


@snapshot.command(name="status")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@write_out()
def status(file: Path, form: Format) -> None:
    """Check every byte of FILE and print its hash, revision, number of keys and size.

    Needs no cluster. Ends with 1 when the file is damaged.

    \b
    Example:
        coord snapshot status backup.snap -w table
    """
    _print_survey(_survey(file), form)


@snapshot.command(name="restore")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--name", required=True, help="The member to be, one of the initial cluster's.")
@click.option(
    "--data-dir",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder to make; it must be missing or empty.",
)
@click.option(
    "--initial-cluster",
    required=True,
    help="Every member of the new cluster: n1=tcp://host:port,n2=tcp://host:port.",
)
@click.option(
    "--cluster-token", default="coord", show_default=True, help="As `coord serve` will be told."
)
@click.option(
    "--bump-revision",
    type=click.IntRange(1, 2**53),
    default=REVISION_BUMP,
    show_default=True,
    help="How far the new cluster's revision lies above the saved one.",
)
def restore(
    file: Path,
    name: str,
    data_dir: Path,
    initial_cluster: str,
    cluster_token: str,
    bump_revision: int,
) -> None:
    """Make the data folder of one member of a new cluster from FILE.

    Run it once for every member, with the same FILE and the same options but for the name and the
    folder; then start the members with `coord serve`. The members of the old cluster must never
    run again beside the new one; a new --cluster-token makes sure of it.

    History before the restore is compacted and the revision is raised, so that whoever remembers
    the old cluster's revisions notices and reads anew.

    \b
    Example, for the first of three:
        coord snapshot restore backup.snap --name n1 --data-dir /var/lib/coord-2/n1 \\
            --cluster-token after-the-fire --initial-cluster \\
            n1=tcp://127.0.0.1:7411,n2=tcp://127.0.0.1:7421,n3=tcp://127.0.0.1:7431
    """
    # Late, so that other snapshot commands need not load a node.
    from coord.node.restoring import restore_member

    members = parse_initial_cluster(initial_cluster)
    config = _config(name, data_dir, members, cluster_token)
    found = _survey(file)
    try:
        index = max(found.applied_index, 1)
        restore_member(config, restarted(read_pieces(file), bump_revision), index)
    except OSError as error:
        raise coord.CoordError(f"{data_dir}: {error}") from error
    click.echo(f"{name} begins at revision {found.revision + bump_revision} in {data_dir}")


def _config(name: str, data_dir: Path, members: dict[str, str], token: str) -> NodeConfig:
    peer = members.get(name, next(iter(members.values())))
    return NodeConfig(
        name=name,
        data_dir=data_dir,
        listen_peer=peer,
        # Not known here and not kept in the folder; any address passes the check.
        listen_client="ipc://not-listening",
        initial_cluster=members,
        cluster_token=token,
    )


def _fetch(client: coord.Client) -> Iterator[bytes]:
    """Yield the parts of a snapshot, all from one node."""
    here = client.status()
    address = next(member.client for member in here.members if member.node == here.node)
    number = 0
    for count in itertools.count():
        part = client.snapshot_part(number, count, address or None)
        yield part.chunk
        if part.last:
            return
        number = part.snapshot


def _survey(file: Path) -> Survey:
    try:
        return survey(read_pieces(file))
    except ProtocolError as error:
        raise Corruption(f"{file}: {error}") from error


def _print_survey(found: Survey, form: Format) -> None:
    digest = found.digest.hex()
    if form is Format.JSON:
        print_json(
            {
                "hash": digest,
                "revision": found.revision,
                "compactRevision": found.compact_revision,
                "totalKey": found.keys,
                "totalLease": found.leases,
                "totalSize": found.size_bytes,
            }
        )
    elif form is Format.TABLE:
        columns = ("hash", "revision", "keys", "leases", "bytes")
        row = (digest, found.revision, found.keys, found.leases, found.size_bytes)
        print_table(columns, [row])
    else:
        click.echo(f"{digest}, {found.revision}, {found.keys}, {found.size_bytes}")
