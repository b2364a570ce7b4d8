"""Every load of the comparison on coord alone: a quick look without etcd."""

import shutil
import tempfile
from pathlib import Path

import click

from tests.bench.coord_cluster import CoordCluster
from tests.bench.workloads import WORKLOADS, CoordSetting, run_coord


@click.command()
@click.option("--share", type=float, default=0.5, help="Length of the runs; 1.0 is full.")
@click.option("--processes", type=int, default=2, help="Processes of the load.")
@click.option("--nodes", "members", type=click.IntRange(1, 9), default=3)
@click.option("--base-port", type=int, default=26500)
def main(share: float, processes: int, members: int, base_port: int) -> None:
    """Run every load once on a fresh cluster of this machine."""
    folder = Path(tempfile.mkdtemp(prefix="coord-bench-"))
    cluster = CoordCluster(folder, base_port, members)
    click.echo(f"{'load':32}{'per second':>12}{'p50 ms':>10}{'p99 ms':>10}{'failed':>8}")
    try:
        cluster.start()
        for run, workload in enumerate(WORKLOADS):
            setting = CoordSetting(1 if workload.clients == 1 else processes)
            found = run_coord(workload, setting, cluster.endpoints, run * 1_000_000, share)
            click.echo(
                f"{workload.name:32}{found['per_second']:>12,.0f}{found['p50_ms']:>10.2f}"
                f"{found['p99_ms']:>10.2f}{found['failed']:>8}"
            )
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
