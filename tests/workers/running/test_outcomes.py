"""What becomes of a job, whatever its function does, with real children on a local store."""

import signal
from pathlib import Path

import msgspec
import pytest

from coord.limits import VALUE_BYTES_MAX
from coord.testing.local import LocalCluster, in_loop
from workers.model.checks import JOB_LIMITS_MAX
from workers.model.job import Backoff, Job
from workers.model.states import State
from workers.running.context import SPAWNED_MAX
from workers.store.jobs import JobStore
from workers.testing.at_work import working
from workers.testing.endings import ended, result

pytestmark = pytest.mark.integration

SOON = Backoff(base_ms=1, factor=1.0, jitter=0.0)


@pytest.fixture
def store() -> JobStore:
    return JobStore(LocalCluster().client())


@in_loop
async def test_a_job_may_ask_for_another_attempt_at_its_own_time(app: str, store: JobStore) -> None:
    slow = Backoff(base_ms=3_600_000)
    async with working(store.client, app):
        ending = await ended(store, Job("ask_again", {"after_ms": 2}, backoff=slow))
    assert (ending.state, ending.attempt) == (State.DONE, 2)
    assert ending.history[0].cause == "not yet"


@in_loop
async def test_a_job_that_puts_itself_off_has_no_attempt_counted(
    app: str, store: JobStore, tmp_path: Path
) -> None:
    async with working(store.client, app) as worker:
        ending = await ended(store, Job("put_off", {"folder": str(tmp_path)}, attempts_max=1))
    assert (ending.state, result(ending), ending.history) == (State.DONE, 1, ())
    assert worker.tally.snoozed == 1


@in_loop
async def test_a_name_nobody_declared_is_dead_at_once_and_says_what_there_is(
    app: str, store: JobStore
) -> None:
    async with working(store.client, app):
        ending = await ended(store, Job("no_such_thing"))
    assert (ending.state, ending.attempt) == (State.DEAD, 1)
    assert "no job function named 'no_such_thing'" in ending.cause
    assert "double" in ending.cause


@in_loop
async def test_arguments_that_do_not_fit_are_dead_at_once_and_named(
    app: str, store: JobStore
) -> None:
    async with working(store.client, app):
        wrong = await ended(store, Job("double", {"nummer": 1}))
        bad = await ended(store, Job("double", {"number": "many"}))
    assert wrong.state is bad.state is State.DEAD
    assert "number" in wrong.cause
    assert "bad arguments" in bad.cause
    assert wrong.attempt == bad.attempt == 1


@in_loop
async def test_a_result_that_cannot_be_kept_is_dead_at_once_and_says_why(
    app: str, store: JobStore
) -> None:
    async with working(store.client, app):
        ending = await ended(store, Job("unkeepable"))
        large = await ended(store, Job("large", {"size_bytes": VALUE_BYTES_MAX + 1}))
        at_edge = await ended(store, Job("large", {"size_bytes": VALUE_BYTES_MAX - 50}))
        after = await ended(store, Job("double", {"number": 1}))
    assert ending.state is large.state is at_edge.state is State.DEAD
    assert "cannot be kept" in ending.cause
    assert "bytes" in large.cause
    assert "cannot be kept" in at_edge.cause
    assert after.state is State.DONE


@in_loop
async def test_a_result_with_bytes_comes_back_as_it_was(app: str, store: JobStore) -> None:
    async with working(store.client, app):
        ending = await ended(store, Job("raw"))
    assert result(ending) == {"raw": b"\x00\xff"}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
@in_loop
async def test_a_child_that_is_killed_is_a_failed_attempt_told_by_its_signal(
    app: str, store: JobStore, number: signal.Signals
) -> None:
    async with working(store.client, app):
        ending = await ended(store, Job("die", {"number": int(number)}, attempts_max=1))
        after = await ended(store, Job("double", {"number": 1}))
    assert ending.state is State.DEAD
    assert f"killed by {number.name}" in ending.cause
    assert ("memory" in ending.cause) is (number is signal.SIGKILL)
    assert "about to die" in ending.log
    assert after.state is State.DONE


@in_loop
async def test_an_error_with_a_huge_message_is_told_by_its_kind(app: str, store: JobStore) -> None:
    async with working(store.client, app):
        ending = await ended(store, Job("fail", {"message": "x" * 300_000}, attempts_max=1))
    assert "LookupError: xxx" in ending.cause
    assert "def fail" not in ending.cause
    assert "raise LookupError(message)" in ending.cause
    assert len(ending.cause) < 8_000


@in_loop
async def test_a_child_that_exits_is_a_failed_attempt(app: str, store: JobStore) -> None:
    async with working(store.client, app):
        gone = await ended(store, Job("leave", attempts_max=1))
        polite = await ended(store, Job("quit_politely", attempts_max=1))
    assert gone.cause == "child process exited with code 3"
    assert "SystemExit: 4" in polite.cause


@in_loop
async def test_what_a_job_prints_and_logs_is_kept_with_its_ending(
    app: str, store: JobStore
) -> None:
    async with working(store.client, app):
        ending = await ended(store, Job("talk"))
        chatter = await ended(store, Job("chatter", {"lines": 10_000}))
        quiet = await ended(store, Job("noop"))
    assert "printed\n" in ending.log
    assert "to stderr\n" in ending.log
    assert "WARNING some: logged\n" in ending.log
    assert chatter.log.startswith("…")
    assert chatter.log.endswith("line 009999\n")
    assert len(chatter.log) < 20_000
    assert quiet.log == ""


@in_loop
async def test_the_soft_limit_interrupts_a_job_so_that_it_can_tidy_up(
    app: str, store: JobStore, tmp_path: Path
) -> None:
    job = Job("spin", {"folder": str(tmp_path)}, soft_limit_ms=30, attempts_max=1)
    async with working(store.client, app):
        ending = await ended(store, job)
        caught = await ended(store, Job("catch_soft_limit", soft_limit_ms=30))
    assert ending.state is State.DEAD
    assert "soft limit of 30 ms" in ending.cause
    assert (tmp_path / "tidied").exists()
    assert result(caught) == "stopped in time"


@in_loop
async def test_the_hard_limit_kills_the_child_and_is_the_cause(
    app: str, store: JobStore, tmp_path: Path
) -> None:
    args: dict[str, object] = {"started": str(tmp_path / "pid")}
    async with working(store.client, app) as worker:
        before = worker.pids
        ending = await ended(store, Job("hang", args, hard_limit_ms=50, attempts_max=1))
        after = await ended(store, Job("double", {"number": 1}))
        assert worker.pids != before
    assert ending.cause == "hard limit of 50 ms exceeded"
    assert ending.state is State.DEAD
    assert after.state is State.DONE


@in_loop
async def test_memory_beyond_the_hard_bound_is_a_failed_attempt(app: str, store: JobStore) -> None:
    crew = {"child_memory_bytes_hard": 2 * 1024**3}
    async with working(store.client, app, crew=crew):
        ending = await ended(store, Job("hog", {"megabytes": 4000}, attempts_max=1))
        after = await ended(store, Job("double", {"number": 1}))
    assert ending.cause.startswith("out of memory")
    assert after.state is State.DONE


@in_loop
async def test_a_child_that_grew_too_large_is_replaced_after_its_job(
    app: str, store: JobStore
) -> None:
    crew = {"child_memory_bytes_max": 100 * 1024**2}
    async with working(store.client, app, crew=crew):
        pids = [result(await ended(store, Job("leak", {"megabytes": 150}))) for _ in range(2)]
    assert pids[0] != pids[1]


@in_loop
async def test_a_child_is_replaced_after_so_many_jobs(app: str, store: JobStore) -> None:
    async with working(store.client, app, crew={"jobs_per_child_max": 2}):
        pids = [result(await ended(store, Job("leak", {"megabytes": 0}))) for _ in range(5)]
    assert pids[0] == pids[1] != pids[2] == pids[3] != pids[4]


@in_loop
async def test_jobs_spawned_are_enqueued_when_the_job_completes(app: str, store: JobStore) -> None:
    async with working(store.client, app) as worker:
        await ended(store, Job("spawn", {"number": 7}))
        last = await ended(store, Job("noop"))
    done = await store.client.get("coord/queue/default/done/", prefix=True)
    names = [msgspec.json.decode(kv.value)["name"] for kv in done.kvs]
    assert names == ["spawn", "double", "noop"]
    assert (worker.tally.done, last.state) == (3, State.DONE)


@in_loop
async def test_a_job_may_spawn_as_many_as_one_transaction_takes(app: str, store: JobStore) -> None:
    limits = tuple(f"limit{number}" for number in range(JOB_LIMITS_MAX))
    args: dict[str, object] = {"number": SPAWNED_MAX, "text": "x" * 450}
    job = Job("spawn_many", args, group="g", unique="u", limits=limits, expires_unix_ms=10**13)
    async with working(store.client, app):
        ending = await ended(store, job)
    assert ending.state is State.DONE
    assert (await store.counts("later"))[State.READY] == SPAWNED_MAX


@in_loop
async def test_threads_and_coroutines_share_one_child(app: str, store: JobStore) -> None:
    async with working(store.client, app, slots=3):
        thread = await ended(store, Job("in_thread", {"number": 5}))
        loop = await ended(store, Job("in_loop", {"number": 5}))
    told = result(thread)
    assert isinstance(told, dict)
    assert told["pid"] == result(loop)
    assert told["thread"].startswith("job")
    assert (thread.log, loop.log) == ("in a thread\n", "in the loop\n")


@in_loop
async def test_coroutines_run_beside_each_other_up_to_the_slots(app: str, store: JobStore) -> None:
    meet = [Job("meet", {"name": str(number), "others": 3}) for number in range(3)]
    async with working(store.client, app, slots=3):
        ids = [await store.enqueue("default", job) for job in meet]
        endings = [await store.wait(job) for job in ids]
    assert {ending.state for ending in endings} == {State.DONE}


@in_loop
async def test_a_coroutine_is_cancelled_at_its_soft_limit(app: str, store: JobStore) -> None:
    async with working(store.client, app, slots=2):
        ending = await ended(store, Job("sleep_for_ever", soft_limit_ms=30, attempts_max=1))
    assert ending.state is State.DEAD
    assert "soft limit of 30 ms" in ending.cause


@in_loop
async def test_a_coroutine_that_blocks_its_loop_is_killed_at_its_hard_limit(
    app: str, store: JobStore
) -> None:
    async with working(store.client, app, slots=2):
        ending = await ended(store, Job("block_loop", hard_limit_ms=100, attempts_max=1))
        after = await ended(store, Job("in_loop", {"number": 1}))
    assert ending.cause == "hard limit of 100 ms exceeded"
    assert after.state is State.DONE


@in_loop
async def test_a_value_that_is_no_job_is_kept_among_the_dead(app: str, store: JobStore) -> None:
    await store.client.put("coord/queue/default/ready/5", "not a job", sequence=True)
    async with working(store.client, app) as worker:
        ending = await ended(store, Job("double", {"number": 1}))
        assert worker.tally.dead == 1
    dead = await store.client.get("coord/queue/default/dead/", prefix=True)
    assert b"not a job" in dead.kvs[0].value
    assert ending.state is State.DONE


@in_loop
async def test_what_utf_8_cannot_say_costs_a_job_neither_its_cause_nor_its_log(
    app: str, store: JobStore
) -> None:
    async with working(store.client, app):
        ending = await ended(store, Job("odd_words", attempts_max=1))
    assert ending.state is State.DEAD
    assert "an odd name: \\udcff" in ending.cause
    assert "printed \\udcff" in ending.log
