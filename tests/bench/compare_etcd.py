"""coord against etcd on this machine: the same loads, in turns, medians side by side.

Both clusters have three members and their data on the same disk. Only one runs at a time, the
other's processes are stopped; what each costs while idle is measured and told. Each system runs
at the setting with the highest rate of those tried first; where coord is judged by its p99 too,
it runs at the one with the lowest p99 of those that hold the floor for the rate. Exit code 0:
every floor is met.
"""

import contextlib
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import attrs
import click

from tests.bench.coord_cluster import CoordCluster, pause
from tests.bench.cpu_time import children, cpu_seconds
from tests.bench.etcd_cluster import EtcdCluster
from tests.bench.workloads import (
    WORKLOADS,
    CoordSetting,
    EtcdSetting,
    Result,
    Workload,
    coord_settings,
    etcd_settings,
    run_coord,
    run_etcd,
)

HERE = Path(__file__).resolve().parent
TRIAL_SHARE = 0.25  # of a full run, when settings are tried
KEYS_PER_RUN = 1_000_000  # each run writes keys of its own
IDLE_S = 2.0

Setting = TypeVar("Setting")


@attrs.define
class Comparison:
    """One load's runs of both systems."""

    workload: Workload
    coord_setting: CoordSetting
    etcd_setting: EtcdSetting
    coord_runs: list[Result] = attrs.Factory(list)
    etcd_runs: list[Result] = attrs.Factory(list)

    def median(self, system: str, field: str) -> float:
        """Return the median over one system's runs."""
        runs = self.coord_runs if system == "coord" else self.etcd_runs
        return float(statistics.median(run[field] for run in runs))

    def ratio(self, field: str) -> float:
        """Return coord's median over etcd's."""
        return self.median("coord", field) / self.median("etcd", field)

    @property
    def is_met(self) -> bool:
        """Whether the floor of this load is met and nothing failed."""
        floor = self.workload.rate_floor
        if any(run["failed"] for run in self.coord_runs):
            return False
        if floor is not None and self.ratio("per_second") < floor:
            return False
        return not self.workload.p99_lower or self.ratio("p99_ms") < 1.0

    def to_json(self) -> dict[str, Any]:
        """Return everything, the single runs included."""
        return {
            "name": self.workload.name,
            "coord": str(self.coord_setting),
            "etcd": str(self.etcd_setting),
            "rate_floor": self.workload.rate_floor,
            "p99_must_be_lower": self.workload.p99_lower,
            "rate_ratio": self.ratio("per_second"),
            "p99_ratio": self.ratio("p99_ms"),
            "met": self.is_met,
            "coord_runs": self.coord_runs,
            "etcd_runs": self.etcd_runs,
        }


class Bench:
    """Both clusters, and loads run on them in turns."""

    def __init__(self, folder: Path, base_port: int, share: float) -> None:
        self.coord = CoordCluster(folder, base_port)
        self.etcd = EtcdCluster(folder, base_port + 100)
        self._load = build_etcdload(folder)
        self._share = share
        self._runs = 0

    def start(self) -> None:
        """Start both clusters."""
        self.coord.start()
        self.etcd.start()

    def stop(self) -> None:
        """End both clusters."""
        self.coord.stop()
        self.etcd.stop()

    def idle_cores(self) -> dict[str, float]:
        """Return the processor time each cluster uses while nobody asks anything, in cores."""
        pids = {
            "coord": [int(node["pid"]) for node in self.coord.nodes],
            "etcd": children(os.getpid(), "etcd"),
        }
        before = {name: cpu_seconds(of) for name, of in pids.items()}
        pause(IDLE_S)
        return {name: (cpu_seconds(of) - before[name]) / IDLE_S for name, of in pids.items()}

    def on_coord(self, workload: Workload, setting: CoordSetting, share: float = 1.0) -> Result:
        """Run one load on coord."""
        share *= self._share
        with alone(self.etcd):
            return run_coord(workload, setting, self.coord.endpoints, self._next_keys(), share)

    def on_etcd(self, workload: Workload, setting: EtcdSetting, share: float = 1.0) -> Result:
        """Run one load on etcd."""
        endpoints = self.etcd.leader() if setting.leader_only else ",".join(self.etcd.endpoints)
        share *= self._share
        with alone(self.coord):
            return run_etcd(workload, setting, self._load, endpoints, self._next_keys(), share)

    def _next_keys(self) -> int:
        self._runs += 1
        return self._runs * KEYS_PER_RUN

    def compare(self, workload: Workload, rounds: int) -> Comparison:
        """Choose each system's setting, then run both in turns."""
        etcd = trials(etcd_settings(workload), lambda one: self.on_etcd(workload, one, TRIAL_SHARE))
        coord = trials(
            coord_settings(workload), lambda one: self.on_coord(workload, one, TRIAL_SHARE)
        )
        rate_wanted = fastest(etcd)[1]["per_second"] * (workload.rate_floor or 0.0)
        fast_enough = [tried for tried in coord if tried[1]["per_second"] >= rate_wanted]
        if workload.p99_lower and fast_enough:
            chosen = min(fast_enough, key=lambda tried: float(tried[1]["p99_ms"]))
        else:
            chosen = fastest(coord)
        compared = Comparison(workload, chosen[0], fastest(etcd)[0])
        for _ in range(rounds):
            compared.coord_runs.append(self.on_coord(workload, compared.coord_setting))
            compared.etcd_runs.append(self.on_etcd(workload, compared.etcd_setting))
        return compared


@contextlib.contextmanager
def alone(other: CoordCluster | EtcdCluster) -> Iterator[None]:
    """Keep the other cluster's processes stopped while one is measured."""
    other.freeze()
    try:
        yield
    finally:
        other.thaw()


def trials(
    settings: tuple[Setting, ...], run: Callable[[Setting], Result]
) -> list[tuple[Setting, Result]]:
    """Try each setting once, briefly."""
    return [(setting, run(setting)) for setting in settings]


def fastest(tried: list[tuple[Setting, Result]]) -> tuple[Setting, Result]:
    """Return the trial with the highest rate."""
    return max(tried, key=lambda one: float(one[1]["per_second"]))


def build_etcdload(folder: Path) -> str:
    """Build the load generator for etcd with the system's own Go and return its path."""
    built = folder / "etcdload"
    sources = sorted(str(path) for path in (HERE / "etcdload").glob("*.go"))
    subprocess.run(
        ["go", "build", "-o", str(built), *sources],
        env={**os.environ, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode"},
        check=True,
    )
    return str(built)


def missing() -> str:
    """Say what this machine lacks for the comparison; empty if nothing."""
    lacks = []
    if not EtcdCluster.is_installed():
        lacks.append("etcd (apt-get install etcd-server etcd-client)")
    if not shutil.which("go"):
        lacks.append("Go (apt-get install golang)")
    if not Path("/usr/share/gocode/src/go.etcd.io/etcd/clientv3").exists():
        lacks.append("etcd's Go client (apt-get install golang-etcd-server-dev)")
    return ", ".join(lacks)


def told(compared: Comparison) -> str:
    """Return one line of the table."""
    workload = compared.workload
    floor = "" if workload.rate_floor is None else f">= {workload.rate_floor}"
    floor += ", p99 < 1" if workload.p99_lower else ""
    verdict = "" if not floor else ("met" if compared.is_met else "NOT MET")
    return (
        f"{workload.name:32}"
        f"{compared.median('coord', 'per_second'):>11,.0f}"
        f"{compared.median('etcd', 'per_second'):>10,.0f}"
        f"{compared.ratio('per_second'):>8.2f}"
        f"{compared.median('coord', 'p99_ms'):>10.2f}{compared.median('etcd', 'p99_ms'):>10.2f}"
        f"{compared.ratio('p99_ms'):>8.2f}   {floor:17}{verdict:9}"
        f"{compared.coord_setting}; etcd {compared.etcd_setting}"
    )


HEAD = (
    f"{'load':32}{'coord /s':>11}{'etcd /s':>10}{'ratio':>8}"
    f"{'coord p99':>10}{'etcd p99':>10}{'ratio':>8}   {'floor':17}{'':9}settings"
)


@click.command()
@click.option("--rounds", type=click.IntRange(1), default=3, help="Runs of each load and system.")
@click.option("--share", type=float, default=1.0, help="Length of the runs; 1.0 is full.")
@click.option("--only", multiple=True, help="Only loads whose name contains this.")
@click.option("--base-port", type=int, default=26400)
@click.option("--data-dir", type=click.Path(path_type=Path), help="Where both keep their data.")
@click.option("-w", "form", type=click.Choice(["table", "json"]), default="table")
def main(
    rounds: int, share: float, only: tuple[str, ...], base_port: int, data_dir: Path | None,
    form: str,
) -> None:  # fmt: skip
    """Compare coord with etcd on this machine."""
    lacks = missing()
    if lacks:
        click.echo(f"skipped: this machine has no {lacks}", err=True)
        return
    chosen = [one for one in WORKLOADS if not only or any(part in one.name for part in only)]
    folder = Path(tempfile.mkdtemp(prefix="coord-bench-", dir=data_dir))
    bench = Bench(folder, base_port, share)
    done: list[Comparison] = []
    try:
        bench.start()
        idle = bench.idle_cores()
        if form == "table":
            click.echo(
                f"three members each, {os.cpu_count()} cores, Python {platform.python_version()}, "
                f"medians of {rounds} alternating runs; the other is stopped; idle, coord takes "
                f"{idle['coord']:.3f}, etcd {idle['etcd']:.3f} cores"
            )
            click.echo(HEAD)
        for workload in chosen:
            done.append(bench.compare(workload, rounds))
            if form == "table":
                click.echo(told(done[-1]))
    finally:
        bench.stop()
        shutil.rmtree(folder, ignore_errors=True)
    if form == "json":
        loads = [compared.to_json() for compared in done]
        click.echo(json.dumps({"idle_cores": idle, "rounds": rounds, "loads": loads}))
    sys.exit(0 if all(compared.is_met for compared in done) else 1)


if __name__ == "__main__":
    main()
