"""Running a load in several processes: started together, their times put together."""

import json
import subprocess
import sys
from array import array

import attrs

from coord.cli.bench_plan import LoadPlan
from coord.errors import NotDone

PATIENCE_S = 600.0  # a load that takes longer has come to a stop


@attrs.frozen
class Share:
    """What one process measured."""

    began_ns: int
    ended_ns: int
    failed: int
    first_failure: str
    took_ns: "array[int]"


def run_plans(plans: list[LoadPlan]) -> list[Share]:
    """Run every plan in a process of its own, all at once.

    Returns:
        What each measured, in the order of `plans`.

    Raises:
        NotDone: a process ended before it should; its own words are on stderr.
    """
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", "coord.cli.bench_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for _ in plans
    ]
    try:
        for worker, plan in zip(workers, plans, strict=True):
            _tell(worker, plan.to_line())
        for worker in workers:
            _read_line(worker)  # "ready"
        for worker in workers:
            _tell(worker, b"go\n")
        return [_read_share(worker) for worker in workers]
    finally:
        for worker in workers:
            _end(worker)


def _tell(worker: "subprocess.Popen[bytes]", line: bytes) -> None:
    assert worker.stdin is not None
    worker.stdin.write(line)
    worker.stdin.flush()


def _read_line(worker: "subprocess.Popen[bytes]") -> bytes:
    assert worker.stdout is not None
    line = worker.stdout.readline()
    if not line.endswith(b"\n"):
        raise NotDone(f"a process of the load ended early, exit code {worker.wait(PATIENCE_S)}")
    return line


def _read_share(worker: "subprocess.Popen[bytes]") -> Share:
    head = json.loads(_read_line(worker))
    assert worker.stdout is not None
    took_ns = array("q")
    took_ns.frombytes(worker.stdout.read(head.pop("times") * took_ns.itemsize))
    return Share(took_ns=took_ns, **head)


def _end(worker: "subprocess.Popen[bytes]") -> None:
    for stream in (worker.stdin, worker.stdout):
        if stream is not None:
            stream.close()
    if worker.poll() is None:
        worker.terminate()
    worker.wait(PATIENCE_S)
