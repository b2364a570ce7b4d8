"""`coord queue take` and `coord progress` as real processes: killed, cut short, on a pipe."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

import coord
from coord.testing.local_cluster import LocalProcesses, started_cluster, wait_for
from recipes import blocking

pytestmark = pytest.mark.integration

TTL_S = 1.0
SLACK_S = 1.0


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalProcesses]:
    with started_cluster(tmp_path_factory.mktemp("cluster"), nodes=1) as running:
        yield running


@pytest.fixture
def client(cluster: LocalProcesses) -> Iterator[coord.Client]:
    with coord.connect(cluster.endpoints, timeout_ms=30_000) as connected:
        yield connected


def start(cluster: LocalProcesses, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "coord.cli", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"COORD_ENDPOINTS": cluster.endpoints},
    )


def read_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_the_item_of_a_killed_taker_goes_to_the_next_within_its_time_to_live_and_a_second(
    cluster: LocalProcesses, client: coord.Client
) -> None:
    blocking.Queue(client, "queues/killed/").put("precious")
    script = "echo $COORD_ITEM_ATTEMPT; exec sleep 60"
    words = ("queue", "take", "killed", "--ttl", str(TTL_S), "--exec", "sh", "-c")
    doomed = start(cluster, *words, script)
    assert read_line(doomed) == "1"
    following = start(cluster, *words, "echo $COORD_ITEM_ATTEMPT; cat")
    in_line = "queues/killed/idle/"
    wait_for(lambda: client.get(in_line, prefix=True).count == 1, 15, lambda: in_line)
    doomed.kill()
    killed_s = time.monotonic()
    assert read_line(following) == "2"
    assert time.monotonic() - killed_s < TTL_S + SLACK_S
    told, errors = following.communicate(timeout=30)
    assert (told, errors, following.returncode) == ("precious", "", 0)
    doomed.communicate(timeout=30)  # ends when the command has let go of stdout


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_end_it_hands_back_what_it_holds_and_says_so(
    cluster: LocalProcesses, client: coord.Client, number: signal.Signals
) -> None:
    name = f"told-{number.value}"
    queue = blocking.Queue(client, f"queues/{name}/")
    item = queue.put("one")
    # Ctrl-C reaches the command from the terminal; here nobody else tells it.
    script = "trap 'exit 9' TERM; echo ready; read line; while true; do sleep 0.02; done"
    if number is signal.SIGINT:
        script = "echo ready; exec sleep 0.3"
    taker = start(cluster, "queue", "take", name, "--count", "0", "--exec", "sh", "-c", script)
    assert read_line(taker) == "ready"
    taker.send_signal(number)
    _, errors = taker.communicate(timeout=30)
    if number is signal.SIGINT:
        # The command did its work all the same: completed, and nothing more is taken.
        assert (taker.returncode, errors, queue.counts().done) == (130, "", 1)
    else:
        assert (taker.returncode, errors) == (9, f"coord: {item} was handed back\n")
        assert queue.counts().ready == 1


def test_progress_is_followed_until_whoever_reports_it_is_gone(
    cluster: LocalProcesses, client: coord.Client
) -> None:
    with client.session(ttl_ms=5000) as session:
        with blocking.Reporter(client, session, "progress/", "w7") as reporter:
            reporter.report("parse", 1, 3)
        follower = start(cluster, "progress", "--follow")
        assert read_line(follower) == "parse 1/3"
        with blocking.Reporter(client, session, "progress/", "w7") as reporter:
            reporter.report("parse", 2, 3, "half-way")
        assert read_line(follower) == "parse 2/3 half-way"
    assert read_line(follower) == "-parse"
    follower.terminate()
    follower.communicate(timeout=30)
    assert follower.returncode == 143
