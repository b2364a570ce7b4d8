"""Workers as processes of their own on a real node: killed, stopped, stalled, told to end."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import coord
from coord.cli.exits import ExitCode
from coord.testing.local_cluster import started_cluster, wait_for
from workers.model.ending import Ending, decode_ending
from workers.model.job import Job, encode_job
from workers.model.states import State
from workers.testing.endings import result

pytestmark = pytest.mark.integration

START = (
    "from workers.commands.worker import worker; from coord.cli.main import main;"
    " main.add_command(worker); main()"
)
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def endpoints(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with started_cluster(tmp_path_factory.mktemp("node"), nodes=1) as cluster:
        yield cluster.endpoints


@pytest.fixture
def client(endpoints: str) -> Iterator[coord.Client]:
    with coord.connect(endpoints, timeout_ms=30_000) as client:
        yield client


class Shop:
    """One space of the cluster, with the workers started on it."""

    def __init__(self, client: coord.Client, endpoints: str, space: str) -> None:
        self.client = client
        self.space = space
        self._environment = os.environ | {
            "COORD_ENDPOINTS": endpoints,
            "PYTHONPATH": os.pathsep.join((str(HERE), str(HERE.parents[2]))),
        }
        self.started: list[subprocess.Popen[str]] = []

    def worker(
        self, name: str, *options: str, app: str = "sample_app:app", folder: Path | None = None
    ) -> subprocess.Popen[str]:
        process = self._start("start", "-A", app, "-c", "1", "-n", name, *options, folder=folder)
        self.started.append(process)
        return process

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        process = self._start(*arguments)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def enqueue(self, job: Job) -> str:
        put = self.client.put(f"{self.space}queue/default/ready/5", encode_job(job), sequence=True)
        return put.key.decode().rpartition("/")[2]

    def wait(self, prefix: str, holding: bytes = b"") -> coord.KeyValue:
        """Return the first key under a prefix of the space whose value has `holding` in it."""
        prefix = self.space + prefix
        found = self.client.get(prefix, prefix=True)
        fit = [kv for kv in found.kvs if holding in kv.value]
        if fit:
            return fit[0]
        with self.client.watch(prefix, prefix=True, start_revision=found.revision + 1) as changes:
            for batch in changes:
                for event in batch.events:
                    if event.kind is coord.EventKind.PUT and holding in event.kv.value:
                        return event.kv
        raise AssertionError("the watch ended")

    def ending(self, item: str) -> Ending:
        ending = decode_ending(self.wait(f"queue/default/done/{item}").value)
        assert ending is not None
        return ending

    def _start(self, *arguments: str, folder: Path | None = None) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", START, "worker", *arguments, "--space", self.space],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self._environment,
            cwd=folder,
            text=True,
        )


@pytest.fixture
def shop(client: coord.Client, endpoints: str, request: pytest.FixtureRequest) -> Iterator[Shop]:
    shop = Shop(client, endpoints, f"{request.node.name}/")
    yield shop
    for process in shop.started:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.kill()
        process.communicate(timeout=20)


def runs(pid: int) -> bool:
    """Tell whether a process runs; one that nobody has collected yet does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def test_a_worker_runs_what_is_enqueued_and_sums_up_when_told_to_end(shop: Shop) -> None:
    item = shop.enqueue(Job("double", {"number": 4}))
    worker = shop.worker("w")
    ending = shop.ending(item)
    worker.terminate()
    _, told = worker.communicate(timeout=20)
    told_of = result(ending)
    assert isinstance(told_of, dict)
    assert told_of["number"] == 8
    assert "worker w: 1 done; handed back nothing" in told
    assert worker.returncode == 0


def test_a_worker_told_to_end_lets_a_job_end_within_the_grace(shop: Shop, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    item = shop.enqueue(Job("read", {"pipe": str(pipe)}))
    worker = shop.worker("w")
    shop.wait("progress/", b"reading")
    worker.terminate()
    shop.wait("worker/w", b'"ending":"stop"')
    pipe.write_text("written late")
    _, told = worker.communicate(timeout=20)
    assert result(shop.ending(item)) == "written late"
    assert "1 done; handed back nothing" in told


def test_a_second_signal_hands_back_at_once_and_names_it(shop: Shop, tmp_path: Path) -> None:
    item = shop.enqueue(Job("hang", {"started": str(tmp_path / "pid")}))
    worker = shop.worker("w", "--ttl", "60")
    shop.wait("progress/", b"hanging")
    worker.terminate()
    worker.send_signal(signal.SIGQUIT)
    _, told = worker.communicate(timeout=20)
    assert f"0 done; handed back default:{item}" in told
    assert shop.wait("queue/default/ready/").claims == 0
    assert not runs(int((tmp_path / "pid").read_text()))


def test_the_job_of_a_killed_worker_is_done_by_another_as_the_second_attempt(
    shop: Shop, tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    item = shop.enqueue(Job("read", {"pipe": str(pipe)}))
    first = shop.worker("first", "--ttl", "1")
    shop.wait("progress/", b'"by":"first"')
    child = json.loads(shop.wait("worker/first").value)["children"][0]
    first.kill()
    first.communicate(timeout=20)
    shop.worker("second", "--ttl", "1")
    shop.wait("progress/", b'"by":"second"')
    pipe.write_text("once")
    ending = shop.ending(item)
    assert (ending.state, ending.attempt, ending.worker) == (State.DONE, 2, "second")
    assert not runs(child)
    assert shop.client.get(f"{shop.space}queue/default/done/", prefix=True).count == 1


def test_a_worker_that_was_stopped_beyond_its_lease_records_nothing_when_it_goes_on(
    shop: Shop, tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    item = shop.enqueue(Job("read", {"pipe": str(pipe)}))
    first = shop.worker("first", "--ttl", "1", "--no-steward")
    shop.wait("progress/", b'"by":"first"')
    first.send_signal(signal.SIGSTOP)
    shop.wait("queue/default/ready/")
    shop.worker("second", "--ttl", "5")
    shop.wait("progress/", b'"by":"second"')
    pipe.write_text("for both")
    ending = shop.ending(item)
    first.send_signal(signal.SIGCONT)
    after = [shop.enqueue(Job("noop")) for _ in range(3)]
    assert [shop.ending(each).state for each in after] == [State.DONE] * 3
    again = decode_ending(shop.client.get(f"{shop.space}queue/default/done/{item}").kvs[0].value)
    assert (ending.worker, ending.attempt) == ("second", 2)
    assert again == ending
    first.terminate()
    _, told = first.communicate(timeout=20)
    assert "session lost" in told


def test_a_killed_child_costs_an_attempt_and_no_worker(shop: Shop, tmp_path: Path) -> None:
    started = tmp_path / "pid"
    item = shop.enqueue(Job("hang", {"started": str(started)}, attempts_max=1))
    shop.worker("w")
    shop.wait("progress/", b"hanging")
    os.kill(int(started.read_text()), signal.SIGKILL)
    ending = shop.ending(item)
    after = shop.ending(shop.enqueue(Job("noop")))
    assert ending.state is State.DEAD
    assert "child process killed by SIGKILL" in ending.cause
    assert after.state is State.DONE


def test_workers_are_listed_inspected_and_drained(shop: Shop, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    item = shop.enqueue(Job("read", {"pipe": str(pipe)}))
    worker = shop.worker("w", "--tag", "blue")
    shop.wait("worker/w", b'"held":1')
    shop.wait("progress/", b"reading")
    listed = json.loads(shop.run("list", "-w", "json").stdout)
    shown = shop.run("inspect", "w", "--stacks")
    assert [(entry["name"], entry["tags"], entry["held"]) for entry in listed] == [
        ("w", ["blue"], 1)
    ]
    assert f"default:{item} read attempt 1" in shown.stdout
    assert "in read" in shown.stdout
    late = shop.run("drain", "w", "--wait", "0.1")
    assert late.returncode == ExitCode.UNAVAILABLE
    pipe.write_text("read")
    worker.communicate(timeout=20)
    assert shop.ending(item).state is State.DONE
    gone: Any = shop.run("stop", "w")
    assert gone.returncode == ExitCode.NOT_DONE
    assert "no living worker named 'w'" in gone.stderr


def test_an_application_that_is_not_there_is_misuse(shop: Shop) -> None:
    process = shop.run("start", "-A", "no.such:app", "-c", "1")
    assert process.returncode == ExitCode.MISUSE
    assert "no.such" in process.stderr


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("-A", "sample_app"), "'sample_app' is not of the form package.module:attribute"),
        (("-A", "sample_app:app", "--ttl", "1e99"), "--ttl"),
        (("-A", "sample_app:app", "--grace", "nan"), "--grace"),
        (("-A", "sample_app:app", "--child-memory-hard", "10K"), "alone takes"),
    ],
)
def test_a_worker_that_could_run_nothing_does_not_start_and_says_why(
    shop: Shop, options: tuple[str, ...], why: str
) -> None:
    process = shop.run("start", "-c", "1", *options)
    assert process.returncode == ExitCode.MISUSE
    assert why in process.stderr
    assert "Attribute(" not in process.stderr


def test_children_are_replaced_when_the_source_changes(shop: Shop, tmp_path: Path) -> None:
    source = tmp_path / "changing_app.py"
    text = "from workers.app.app import App\napp = App()\n@app.job\ndef which() -> int: return {}\n"
    source.write_text(text.format(1))
    shop.worker("w", "--reload", app="changing_app:app", folder=tmp_path)
    first = shop.ending(shop.enqueue(Job("which")))
    source.write_text(text.format(22))
    found: list[bytes] = []

    def has_changed() -> bool:
        found.append(bytes(shop.ending(shop.enqueue(Job("which"))).result))
        return found[-1] == b"22"

    wait_for(has_changed, 20, lambda: repr(found))
    assert bytes(first.result) == b"1"
