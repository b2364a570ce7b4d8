"""`python -m coord.testing.with_cluster -- COMMAND`: run a command beside a cluster of its own.

The cluster is fresh, of real processes on this machine, and gone afterwards; COMMAND finds it
through COORD_ENDPOINTS. The exit code is that of COMMAND.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import click

from coord.testing.local_cluster import started_cluster


@click.command()
@click.option("--nodes", type=click.IntRange(1, 9), default=3, show_default=True)
@click.option("--data-dir", type=click.Path(path_type=Path, file_okay=False), help="Kept if given.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def main(nodes: int, data_dir: Path | None, command: tuple[str, ...]) -> None:
    """Run COMMAND with a fresh cluster at COORD_ENDPOINTS."""
    if data_dir is not None:
        data_dir.mkdir(parents=True, exist_ok=True)
        sys.exit(_run(data_dir, nodes, command))
    with tempfile.TemporaryDirectory(prefix="coord-") as folder:
        code = _run(Path(folder), nodes, command)
    sys.exit(code)


def _run(folder: Path, nodes: int, command: tuple[str, ...]) -> int:
    with started_cluster(folder, nodes=nodes) as cluster:
        environment = os.environ | {"COORD_ENDPOINTS": cluster.endpoints}
        return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    main()
