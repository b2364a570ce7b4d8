"""The loads that are compared, and how much faster than etcd each has to be."""

import json
import subprocess
import sys
from typing import Any

import attrs

Result = dict[str, Any]


@attrs.frozen(kw_only=True)
class Workload:
    """One load, the same for both systems; totals differ so that both run for seconds."""

    name: str
    op: str
    clients: int
    coord_total: int
    etcd_total: int
    rate_floor: float | None
    """coord's rate must be at least so many times etcd's; None: told, not judged."""
    p99_lower: bool = False
    """Whether coord's p99 must also be the lower one."""
    writes: int = 0
    """Writes in flight beside watchers."""
    leader_told: tuple[bool, ...] = (True, False)
    """What is tried for etcd: the leader's address alone, which no client knows by itself and
    which is wrong after the next election; or every member's, as coord's client is always given."""


WORKLOADS = (
    Workload(
        name="put, 1 in flight", op="put", clients=1,
        coord_total=1500, etcd_total=1500, rate_floor=1.25, leader_told=(False,),
    ),
    Workload(
        name="put, 1, etcd told its leader", op="put", clients=1,
        coord_total=1500, etcd_total=1500, rate_floor=None, leader_told=(True,),
    ),
    Workload(
        name="put, 1000 in flight", op="put", clients=1000,
        coord_total=120_000, etcd_total=40_000, rate_floor=3.5, p99_lower=True,
    ),
    Workload(
        name="linearizable get, 1000", op="get", clients=1000,
        coord_total=200_000, etcd_total=50_000, rate_floor=5.0,
    ),
    Workload(
        name="serializable get, 1000", op="sget", clients=1000,
        coord_total=200_000, etcd_total=60_000, rate_floor=5.0,
    ),
    Workload(
        name="transaction, 1000", op="txn", clients=1000,
        coord_total=80_000, etcd_total=30_000, rate_floor=5.0,
    ),
    Workload(
        name="keep-alive, 100", op="keepalive", clients=100,
        coord_total=60_000, etcd_total=30_000, rate_floor=1.5,
    ),
    Workload(
        name="watch, 100 watchers, 20 writes", op="watch", clients=100, writes=20,
        coord_total=5000, etcd_total=3000, rate_floor=1.5, p99_lower=True,
    ),
    Workload(
        name="watch, 100 watchers, 1 write", op="watch", clients=100, writes=1,
        coord_total=1000, etcd_total=1000, rate_floor=None,
    ),
)  # fmt: skip


@attrs.frozen
class CoordSetting:
    """How coord is asked: the load's processes, one connection each."""

    processes: int

    def __str__(self) -> str:
        return f"{self.processes} client process{'es' if self.processes > 1 else ''}"


@attrs.frozen
class EtcdSetting:
    """How etcd is asked."""

    conns: int
    leader_only: bool

    def __str__(self) -> str:
        return f"{self.conns} connections to {'the leader' if self.leader_only else 'all members'}"


def coord_settings(workload: Workload) -> tuple[CoordSetting, ...]:
    """Return what is tried for coord."""
    if workload.clients == 1:
        return (CoordSetting(1),)
    return (CoordSetting(1), CoordSetting(2), CoordSetting(3))


def etcd_settings(workload: Workload) -> tuple[EtcdSetting, ...]:
    """Return what is tried for etcd."""
    sizes = (1,) if workload.clients == 1 else (10, 30, 100)
    return tuple(
        EtcdSetting(conns, leader_only) for conns in sizes for leader_only in workload.leader_told
    )


def run_coord(
    workload: Workload, setting: CoordSetting, endpoints: str, first: int, share: float
) -> Result:
    """Put the load on coord, `share` of its full length."""
    writes = ["--writes", str(workload.writes)] if workload.writes else []
    return _run(
        [
            *(sys.executable, "-m", "coord.cli", "bench", workload.op, "-w", "json"),
            *("--clients", str(workload.clients), "--endpoints", endpoints),
            *("--total", str(_shorten(workload.coord_total, share, workload))),
            *("--processes", str(setting.processes), "--first", str(first), *writes),
        ]
    )


def run_etcd(
    workload: Workload, setting: EtcdSetting, load: str, endpoints: str, first: int, share: float
) -> Result:
    """Put the load on etcd by the program `load`, `share` of its full length."""
    writes = ["-writes", str(workload.writes)] if workload.writes else []
    return _run(
        [
            *(load, "-op", workload.op, "-endpoints", endpoints),
            *("-clients", str(workload.clients), "-conns", str(setting.conns)),
            *("-total", str(_shorten(workload.etcd_total, share, workload))),
            *("-first", str(first), *writes),
        ]
    )


def _shorten(total: int, share: float, workload: Workload) -> int:
    # A run must outlast its own start: every client makes at least a few requests.
    least = 100 if workload.writes else 5 * workload.clients
    return min(total, max(least, round(total * share)))


def _run(command: list[str]) -> Result:
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode != 0 and not ran.stdout:
        raise RuntimeError(f"{' '.join(command)}: {ran.stderr.strip()}")
    result: Result = json.loads(ran.stdout)
    return result
