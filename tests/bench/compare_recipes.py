"""coord's recipes against etcd's own on this machine: the same loads, in turns, medians.

Both clusters have three members and their data on the same disk, and only one runs at a time.
etcd's recipes are those of its Go client (concurrency.Mutex, contrib/recipes Queue), at the best
of several numbers of connections; coord's are `recipes/` in one Python process. A take by etcd's
queue removes the item for good; coord's is judged with `complete` besides, which is two steps, and
told without it too. Exit code 0: every floor is met.
"""

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import attrs
import click

from tests.bench.compare_etcd import alone, build_etcdload, missing
from tests.bench.coord_cluster import CoordCluster
from tests.bench.etcd_cluster import EtcdCluster

Result = dict[str, Any]
LEAST = 200  # operations of the shortest run


@attrs.frozen(kw_only=True)
class RecipeLoad:
    """One load. Totals differ so that both run for seconds; etcd's queue is the shorter one."""

    name: str
    coord_op: str
    etcd_op: str
    clients: int
    coord_total: int
    etcd_total: int
    conns: tuple[int, ...] = (1,)
    """What is tried for etcd."""
    rate_floor: float | None = None
    """coord's rate must be at least so many times etcd's; None: told, not judged."""


LOADS = (
    RecipeLoad(
        name="lock and unlock, 1 client", coord_op="lock", etcd_op="lock", clients=1,
        coord_total=1000, etcd_total=1000,
    ),
    RecipeLoad(
        name="hand-over, 8 waiters", coord_op="handover", etcd_op="handover", clients=8,
        coord_total=1000, etcd_total=400, conns=(1, 8),
    ),
    RecipeLoad(
        name="queue put, 1 client", coord_op="put", etcd_op="qput", clients=1,
        coord_total=1500, etcd_total=1500,
    ),
    RecipeLoad(
        name="queue put, 50 clients", coord_op="put", etcd_op="qput", clients=50,
        coord_total=40_000, etcd_total=15_000, conns=(10, 50),
    ),
    RecipeLoad(
        name="queue take, 1 taker", coord_op="take", etcd_op="qtake", clients=1,
        coord_total=1000, etcd_total=1000,
    ),
    RecipeLoad(
        name="take and complete, 1 taker", coord_op="settle", etcd_op="qtake", clients=1,
        coord_total=1000, etcd_total=1000,
    ),
    RecipeLoad(
        name="queue take, 50 takers", coord_op="take", etcd_op="qtake", clients=50,
        coord_total=30_000, etcd_total=500, conns=(10, 50), rate_floor=10.0,
    ),
    RecipeLoad(
        name="take and complete, 50 takers", coord_op="settle", etcd_op="qtake", clients=50,
        coord_total=20_000, etcd_total=500, conns=(10, 50), rate_floor=10.0,
    ),
)  # fmt: skip


@attrs.define
class Comparison:
    """One load's runs of both systems."""

    load: RecipeLoad
    conns: int
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
        if any(run["failed"] for run in self.coord_runs):
            return False
        return self.load.rate_floor is None or self.ratio("per_second") >= self.load.rate_floor

    def to_json(self) -> dict[str, Any]:
        """Return everything, the single runs included."""
        return {
            **{"name": self.load.name, "etcd_conns": self.conns},
            **{"rate_floor": self.load.rate_floor, "met": self.is_met},
            **{f"{field}_ratio": self.ratio(field) for field in ("per_second", "p50_ms", "p99_ms")},
            **{"coord_runs": self.coord_runs, "etcd_runs": self.etcd_runs},
        }

    def to_line(self) -> str:
        """Return one line of the table."""
        cells = [
            f"{self.median('coord', field):>11,.{digits}f}"
            f"{self.median('etcd', field):>10,.{digits}f}{self.ratio(field):>8.2f}"
            for field, digits in (("per_second", 0), ("p50_ms", 2), ("p99_ms", 2))
        ]
        floor = self.load.rate_floor
        verdict = "" if floor is None else f">= {floor:g}: {'met' if self.is_met else 'NOT MET'}"
        return f"{self.load.name:30}{''.join(cells)}   {verdict}"


HEAD = (
    f"{'load':30}{'coord /s':>11}{'etcd /s':>10}{'ratio':>8}"
    f"{'coord p50':>11}{'etcd p50':>10}{'ratio':>8}{'coord p99':>11}{'etcd p99':>10}{'ratio':>8}"
    "   floor for the rate"
)


class RecipeBench:
    """Both clusters, and loads run on them in turns."""

    def __init__(self, folder: Path, base_port: int, share: float) -> None:
        self._coord = CoordCluster(folder, base_port)
        self._etcd = EtcdCluster(folder, base_port + 100)
        self._etcdload = build_etcdload(folder)
        self._share = share
        self._runs = 0

    def start(self) -> None:
        """Start both clusters."""
        self._coord.start()
        self._etcd.start()

    def stop(self) -> None:
        """End both clusters."""
        self._coord.stop()
        self._etcd.stop()

    def compare(self, load: RecipeLoad, rounds: int) -> Comparison:
        """Choose etcd's connections, then run both in turns."""
        tried = {conns: self._on_etcd(load, conns) for conns in load.conns}
        best = max(tried, key=lambda conns: float(tried[conns]["per_second"]))
        compared = Comparison(load, best)
        for _ in range(rounds):
            compared.coord_runs.append(self._on_coord(load))
            compared.etcd_runs.append(self._on_etcd(load, best))
        return compared

    def _on_coord(self, load: RecipeLoad) -> Result:
        with alone(self._etcd):
            return _run(
                [
                    *(sys.executable, "-m", "tests.bench.recipe_load", "--op", load.coord_op),
                    *("--endpoints", self._coord.endpoints, "--clients", str(load.clients)),
                    *("--total", self._total(load.coord_total), "--first", self._number()),
                ]
            )

    def _on_etcd(self, load: RecipeLoad, conns: int) -> Result:
        with alone(self._coord):
            return _run(
                [
                    *(self._etcdload, "-op", load.etcd_op, "-endpoints", self._etcd.leader()),
                    *("-clients", str(load.clients), "-conns", str(conns)),
                    *("-total", self._total(load.etcd_total), "-first", self._number()),
                ]
            )

    def _total(self, full: int) -> str:
        return str(max(LEAST, round(full * self._share)))

    def _number(self) -> str:
        self._runs += 1
        return str(self._runs)


def _run(command: list[str]) -> Result:
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {ran.stderr.strip()}")
    result: Result = json.loads(ran.stdout)
    return result


@click.command()
@click.option("--rounds", type=click.IntRange(1), default=3, help="Runs of each load and system.")
@click.option("--share", type=float, default=1.0, help="Length of the runs; 1.0 is full.")
@click.option("--only", multiple=True, help="Only loads whose name contains this.")
@click.option("--base-port", type=int, default=26600)
@click.option("-w", "form", type=click.Choice(["table", "json"]), default="table")
def main(rounds: int, share: float, only: tuple[str, ...], base_port: int, form: str) -> None:
    """Compare coord's recipes with etcd's on this machine."""
    lacks = missing()
    if lacks:
        click.echo(f"skipped: this machine has no {lacks}", err=True)
        return
    folder = Path(tempfile.mkdtemp(prefix="coord-bench-"))
    bench = RecipeBench(folder, base_port, share)
    done: list[Comparison] = []
    try:
        bench.start()
        if form == "table":
            click.echo(
                f"three members each, {os.cpu_count()} cores, Python {platform.python_version()}, "
                f"medians of {rounds} alternating runs; the other is stopped"
            )
            click.echo(HEAD)
        for load in LOADS:
            if only and not any(part in load.name for part in only):
                continue
            done.append(bench.compare(load, rounds))
            if form == "table":
                click.echo(done[-1].to_line())
    finally:
        bench.stop()
        shutil.rmtree(folder, ignore_errors=True)
    if form == "json":
        click.echo(json.dumps({"rounds": rounds, "loads": [each.to_json() for each in done]}))
    sys.exit(0 if all(compared.is_met for compared in done) else 1)


if __name__ == "__main__":
    main()
