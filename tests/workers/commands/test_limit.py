"""`coord limit`, against a store in this process."""

import asyncio
import json

import pytest

from tests.workers.commands.conftest import JobCommands
from workers.model.job import Job


def _enqueue(coord_command: JobCommands, count: int, *limits: str) -> list[str]:
    async def enqueue() -> list[str]:
        job = Job("f", limits=limits)
        return [str(await coord_command.store.enqueue("mail", job)) for _ in range(count)]

    return asyncio.run(enqueue())


def test_a_limit_is_set_listed_and_removed(coord_command: JobCommands) -> None:
    said = coord_command(
        "limit", "set", "api", "--rate", "100", "--per", "60", "--concurrency", "3"
    )
    assert said.output == "api: 3 at once, 100 per 60000 ms\n"
    _enqueue(coord_command, 2, "api")
    (row,) = json.loads(coord_command("limit", "list", "-w", "json").output)
    assert row == {
        "limit": "api",
        "concurrency": 3,
        "rate": 100,
        "period_ms": 60_000,
        "burst": 1,
        "admitted": 0,
        "waiting": 2,
    }
    assert "100" in coord_command("limit", "list").output
    assert coord_command("limit", "list", "-w", "simple").output == (
        "api: 3 at once, 100 per 60000 ms; 0 admitted, 2 waiting\n"
    )
    assert coord_command("limit", "remove", "api").exit_code == 0
    said = coord_command("limit", "remove", "api")
    assert (said.exit_code, said.output) == (1, "coord: limit api has no rule\n")


def test_a_queue_under_a_limit_parks_what_is_enqueued(coord_command: JobCommands) -> None:
    coord_command("limit", "set", "queue.mail", "--concurrency", "1")
    _, second = _enqueue(coord_command, 2)
    said = coord_command("limit", "explain", second)
    assert said.output == "queue.mail (1 at once): has room, 0 admitted, 1 ahead\n"
    (told,) = json.loads(coord_command("limit", "explain", second, "-w", "json").output)
    assert told["limit"] == "queue.mail"
    assert coord_command("limit", "explain", second, "-w", "table").exit_code == 0


@pytest.mark.parametrize(
    "options",
    [
        ("set", "api"),
        ("set", "api", "--rate", "0"),
        ("set", "a/b", "--rate", "1"),
        ("set", "queue.", "--rate", "1"),
        ("set", "api", "--rate", "1", "--per", "0"),
        ("explain", "mail"),
    ],
)
def test_what_can_never_work_ends_with_2(
    coord_command: JobCommands, options: tuple[str, ...]
) -> None:
    assert coord_command("limit", *options).exit_code == 2


def test_a_job_that_is_not_parked_waits_for_no_limit(coord_command: JobCommands) -> None:
    (job_id,) = _enqueue(coord_command, 1)
    assert coord_command("limit", "explain", job_id).exit_code == 1
