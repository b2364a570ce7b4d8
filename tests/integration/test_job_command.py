"""`coord job` and an application's handles, all processes real: cluster, worker, children."""

import asyncio
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import attrs
import pytest

from coord.testing.local_cluster import started_cluster

pytestmark = pytest.mark.integration

TIMEOUT_S = 60.0
APP = """
import asyncio
from workers import App, Context, Retry

app = App()

@app.job(queue="mail")
def add(a: int, b: int = 1) -> int:
    print("adding", a, b)
    return a + b

@app.job(queue="mail")
def step(ctx: Context, n: int) -> dict[str, int]:
    for i in range(n):
        ctx.progress(i + 1, n, "at it")
        if ctx.cancelled.wait(0.05):
            raise RuntimeError("asked to end")
    ctx.spawn(add.call(n))
    return {"n": n}

@app.job(queue="mail")
def many(n: int) -> list[str]:
    return [str(handle.id) for handle in app.enqueue_many([add.call(i) for i in range(n)])]

@app.job(queue="mail")
async def added(n: int) -> int:
    handles = [await add.enqueue_async(i, 10) for i in range(n)]
    return sum([await handle.result(timeout_s=30) for handle in handles])

@app.job(queue="mail", attempts_max=2)
def bad(word: str) -> None:
    print("about to fail")
    raise Retry(f"no {word}", after_ms=10)
"""


@attrs.frozen
class Shop:
    """An application with its cluster and a worker."""

    folder: Path
    endpoints: str

    @property
    def environment(self) -> dict[str, str]:
        """What its processes see."""
        roots = (str(self.folder), os.environ.get("PYTHONPATH", ""))
        path = os.pathsep.join(root for root in roots if root)
        return os.environ | {"COORD_ENDPOINTS": self.endpoints, "PYTHONPATH": path}

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `coord`, to its end."""
        command = [sys.executable, "-m", "coord.cli", *words]
        return subprocess.run(
            command,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start `coord`."""
        return subprocess.Popen(
            [sys.executable, "-m", "coord.cli", *words],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )

    def submit(self, *words: str) -> str:
        """Submit a job and return its id."""
        done = self.run("job", "submit", *words, "-A", "shop_app:app")
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def module(self) -> ModuleType:
        """Import the application into this process."""
        spec = importlib.util.spec_from_file_location("shop_app", self.folder / "shop_app.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("shop")
    (folder / "shop_app.py").write_text(APP)
    with started_cluster(folder, nodes=1) as cluster:
        shop = Shop(folder, cluster.endpoints)
        words = ("worker", "start", "-A", "shop_app:app", "-Q", "mail", "-c", "2")
        worker = subprocess.Popen(
            [sys.executable, "-m", "coord.cli", *words], env=shop.environment, cwd=folder
        )
        try:
            yield shop
        finally:
            worker.terminate()
            assert worker.wait(TIMEOUT_S) == 0


def test_a_submitted_job_is_run_and_its_result_awaited(shop: Shop) -> None:
    done = shop.run("job", "wait", shop.submit("add", "a=3", "b=4"))
    assert (done.returncode, done.stdout) == (0, "7\n")


def test_progress_is_shown_while_jobs_run_and_what_they_spawn_comes_after(shop: Shop) -> None:
    assert shop.run("queue", "pause", "mail").returncode == 0
    one, two = shop.submit("step", "n=60"), shop.submit("step", "n=40")
    waiting = shop.start("job", "wait", one, two, "--progress")
    assert shop.run("queue", "resume", "mail").returncode == 0
    printed, shown = waiting.communicate(timeout=TIMEOUT_S)
    assert waiting.returncode == 0
    assert sorted(printed.splitlines()) == sorted([f'{one} {{"n": 60}}', f'{two} {{"n": 40}}'])
    assert "at it" in shown
    assert "2 of 2 ended, 0 failed" in shown


@pytest.mark.parametrize(("name", "count"), [("many", 3), ("added", 3)])
def test_jobs_enqueue_others_in_the_cluster_they_came_from(
    shop: Shop, name: str, count: int
) -> None:
    done = shop.run("job", "wait", shop.submit(name, f"n={count}"))
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    if name == "many":
        assert shop.run("job", "wait", *result).stdout.count("\n") == count
    else:
        assert result == 33


def test_a_running_job_is_cancelled_and_whoever_waits_is_told(shop: Shop) -> None:
    job = shop.submit("step", "n=1000")
    waiting = shop.start("job", "wait", job)
    assert shop.run("job", "cancel", job, "--reason", "enough").returncode == 0
    _, errors = waiting.communicate(timeout=TIMEOUT_S)
    assert waiting.returncode == 1
    assert "ended cancelled" in errors
    assert "enough" in errors


def test_a_dead_job_tells_its_attempts_and_can_be_tried_again(shop: Shop) -> None:
    job = shop.submit("bad", "word=luck")
    done = shop.run("job", "wait", job)
    assert (done.returncode, "ended dead at attempt 2: no luck" in done.stderr) == (1, True)
    attempts = json.loads(shop.run("job", "logs", job, "-w", "json").stdout)
    assert [each["attempt"] for each in attempts] == [1, 2]
    assert all("about to fail" in each["log"] for each in attempts)
    assert job in shop.run("queue", "dead", "mail").stdout
    assert shop.run("job", "retry", job).returncode == 0
    assert shop.run("job", "wait", job).returncode == 1


def test_a_program_enqueues_and_waits_with_and_without_an_event_loop(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COORD_ENDPOINTS", shop.endpoints)
    module = shop.module()
    with module.app:
        assert module.add.enqueue(1, 2).result(TIMEOUT_S) == 3
        handles = module.app.enqueue_many([module.add.call(n) for n in range(500)])
        assert [handle.result(TIMEOUT_S) for handle in handles] == list(range(1, 501))

    async def together() -> list[int]:
        async with module.app:
            calls = [module.add.call(n) for n in range(500)]
            handles = await module.app.enqueue_many_async(calls)
            results = (handle.result(TIMEOUT_S) for handle in handles)
            return list(await asyncio.gather(*results))

    assert asyncio.run(together()) == list(range(1, 501))
