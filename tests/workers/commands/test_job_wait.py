"""`coord job wait`: results, failures, time, and how far jobs are meanwhile."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
import pytest

from coord import ops
from recipes.progress import Progress
from workers.commands.bars import Drawn, Lines, Sum, share
from workers.model.ids import JobId
from workers.model.job import Job
from workers.model.states import State
from workers.testing.hand_worker import HandWorker

A, B = "mail:50000000000000000000a", "mail:50000000000000000000b"


def enqueued(command: Any, name: str = "send", **options: Any) -> JobId:
    found: JobId = asyncio.run(command.store.enqueue("mail", Job(name, **options)))
    return found


def step(work: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], object]:
    """Make a step of a coroutine, for a client that watches."""
    tasks = []
    return lambda: tasks.append(asyncio.ensure_future(work()))


def ending(command: Any, state: State = State.DONE, result: object = None) -> Callable[[], object]:
    """Return the step that ends the next job."""

    async def end() -> None:
        client = command.cluster.client()
        async with client.session() as session:
            worker = HandWorker(client, session.lease, command.store.places)
            (held,) = await worker.take("mail", 1)
            raw = msgspec.Raw(msgspec.json.encode(result))
            cause = "" if state is State.DONE else "Traceback\nValueError: bad"
            assert await worker.end(held, state, result=raw, cause=cause)

    return step(end)


def test_the_result_of_one_job_is_printed_as_json(coord_command: Any) -> None:
    job_id = enqueued(coord_command)
    coord_command.steps += [ending(coord_command, result={"sent": 1})]
    waited = coord_command("job", "wait", str(job_id))
    assert (waited.exit_code, waited.stdout) == (0, '{"sent": 1}\n')
    assert coord_command("job", "wait", str(job_id)).stdout == '{"sent": 1}\n'


def test_a_job_that_fails_ends_the_command_with_1_and_says_why(coord_command: Any) -> None:
    job_id = enqueued(coord_command)
    coord_command.steps += [ending(coord_command, State.DEAD)]
    waited = coord_command("job", "wait", str(job_id))
    assert (waited.exit_code, waited.stdout) == (1, "")
    assert waited.stderr == f"coord: job {job_id} ended dead at attempt 1: ValueError: bad\n"


def test_of_several_jobs_each_gets_a_line_and_one_failure_fails_the_command(
    coord_command: Any,
) -> None:
    one, two = enqueued(coord_command), enqueued(coord_command)
    coord_command.steps += [
        ending(coord_command, result=5),
        ending(coord_command, State.DEAD),
    ]
    waited = coord_command("job", "wait", str(one), "-", given=f"{two}\n")
    assert waited.exit_code == 1
    assert waited.stdout.splitlines() == [f"{one} 5", f"{two} dead: ValueError: bad"]


def test_as_json_each_end_is_one_document(coord_command: Any) -> None:
    job_id = enqueued(coord_command)
    asyncio.run(coord_command.store.cancel(job_id, "no"))
    waited = coord_command("job", "wait", str(job_id), "-w", "json")
    assert waited.exit_code == 1
    assert json.loads(waited.stdout) == {
        "id": str(job_id),
        "state": "cancelled",
        "result": None,
        "cause": "no",
        "attempt": 0,
    }


def test_the_wait_gives_up_in_time_with_4(coord_command: Any) -> None:
    job_id = enqueued(coord_command)
    waited = coord_command("job", "wait", str(job_id), "--wait", "0.001")
    assert waited.exit_code == 4
    assert "1 of 1 jobs have not ended in time" in waited.stderr


def test_a_job_whose_ending_is_not_kept_cannot_be_waited_for(coord_command: Any) -> None:
    job_id = enqueued(coord_command, result_ttl_ms=0)
    waited = coord_command("job", "wait", str(job_id))
    assert (waited.exit_code, "is not kept" in waited.stderr) == (1, True)


def test_progress_is_told_in_plain_lines_where_stderr_is_no_terminal(coord_command: Any) -> None:
    one, two = enqueued(coord_command), enqueued(coord_command)

    def report(done: int) -> Callable[[], object]:
        key = coord_command.store.places.progress + str(one).encode()
        value = msgspec.json.encode(Progress(done, 10, "at c"))
        return lambda: coord_command.cluster.write(ops.put(key, value))

    coord_command.steps += [
        report(3),
        report(4),  # within a second of the one before: not told
        ending(coord_command),
        ending(coord_command),
    ]
    waited = coord_command("job", "wait", str(one), str(two), "--progress")
    assert waited.exit_code == 0
    assert waited.stderr.splitlines() == [
        f"{one} 3/10 at c",
        f"{one} done (1 of 2 ended, 0 failed, 0 running)",
        f"{two} done (2 of 2 ended, 0 failed, 0 running)",
    ]


def test_the_sum_counts_parts_of_jobs_that_run_and_never_goes_back() -> None:
    total = Sum([A, B])
    total.show({A: Progress(5, 10), "other": Progress(1, 1)})
    assert (total.done, total.running) == (0.5, 1)
    total.show({A: Progress(2, 10)})
    assert total.done == 0.5
    total.end(A, State.DEAD)
    total.show({})
    assert (total.done, total.ended, total.failed, total.running) == (1.0, 1, 1, 0)


@pytest.mark.parametrize(
    ("progress", "expected"),
    [(Progress(1, 4), 0.25), (Progress(7, 0), 0.0), (Progress(9, 4), 1.0), (Progress(-1, 4), 0.0)],
)
def test_a_share_is_between_none_and_all(progress: Progress, expected: float) -> None:
    assert share(progress) == expected


def test_lines_of_one_job_are_a_second_apart_and_only_news(
    capsys: pytest.CaptureFixture[str],
) -> None:
    now_s = [10.0]
    lines = Lines([A], lambda: now_s[0])
    for at_s, done in ((10.0, 1), (10.5, 2), (11.0, 3), (12.5, 3)):
        now_s[0] = at_s
        lines.show({A: Progress(done)})
    lines.end(A, State.DONE)
    assert capsys.readouterr().err.splitlines() == [f"{A} 1", f"{A} 3", f"{A} done"]


def test_bars_are_drawn_for_jobs_that_run_with_a_sum_below(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    with Drawn([A, B]) as bars:
        bars.show({A: Progress(3, 10, "at c"), "other": Progress()})
        bars.end(B, State.DEAD)
        bars.show({A: Progress(4, 10, "at d")})
    drawn = capsys.readouterr().err
    assert A in drawn
    assert "4/10" in drawn
    assert "at d" in drawn
    assert "1 of 2 ended, 1 failed, 1 running" in drawn
    assert "other" not in drawn
