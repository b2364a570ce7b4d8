"""How the rate and latency of puts move with the size of the store and of the cluster."""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import click

from tests.bench.coord_cluster import CoordCluster
from tests.bench.memory_restart import put_keys

SAMPLE_PUTS = 60_000
CLIENTS = 1000
FRESH = 500_000_000  # the first number of measured keys: far from those that fill the store


def measure(folder: Path, base_port: int, members: int, sizes: list[int]) -> list[dict[str, Any]]:
    """Fill one cluster step by step and measure puts of new keys at each size."""
    cluster = CoordCluster(folder, base_port, members)
    cluster.start()
    found = []
    filled = measured = 0
    try:
        for size in sizes:
            if size > filled + measured:
                put_keys(cluster, size - filled - measured, filled, CLIENTS)
                filled = size - measured
            report = put_keys(cluster, SAMPLE_PUTS, FRESH + measured, CLIENTS)
            measured += SAMPLE_PUTS
            found.append(
                {
                    "members": members,
                    "keys": size,
                    "per_second": report["per_second"],
                    "p50_ms": report["p50_ms"],
                    "p99_ms": report["p99_ms"],
                    "failed": report["failed"],
                }
            )
    finally:
        cluster.stop()
    return found


@click.command()
@click.option("--keys", "sizes", type=int, multiple=True, default=(10_000, 100_000, 1_000_000))
@click.option("--nodes", "clusters", type=int, multiple=True, default=(3, 5))
@click.option("--base-port", type=int, default=26900)
@click.option("--data-dir", type=click.Path(path_type=Path))
@click.option("-w", "form", type=click.Choice(["table", "json"]), default="table")
def main(
    sizes: tuple[int, ...],
    clusters: tuple[int, ...],
    base_port: int,
    data_dir: Path | None,
    form: str,
) -> None:
    """Measure puts at several sizes of store and cluster."""
    rows: list[dict[str, Any]] = []
    for members in clusters:
        folder = Path(tempfile.mkdtemp(prefix="coord-bench-", dir=data_dir))
        try:
            rows += measure(folder, base_port, members, sorted(sizes))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    if form == "json":
        click.echo(json.dumps(rows))
        return
    click.echo(f"puts of 256 bytes under new keys, {CLIENTS} in flight, one client process")
    click.echo(f"{'nodes':>5}{'keys before':>14}{'puts /s':>12}{'p50 ms':>10}{'p99 ms':>10}")
    for row in rows:
        click.echo(
            f"{row['members']:>5}{row['keys']:>14,}{row['per_second']:>12,.0f}"
            f"{row['p50_ms']:>10.2f}{row['p99_ms']:>10.2f}"
        )


if __name__ == "__main__":
    main()
