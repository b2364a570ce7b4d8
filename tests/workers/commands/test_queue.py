"""`coord queue`: queues of jobs as a whole."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from coord import ops
from workers.model.ids import JobId
from workers.model.job import Job
from workers.model.states import State
from workers.testing.hand_worker import HandWorker


def enqueued(command: Any, queue: str = "mail", name: str = "send") -> JobId:
    found: JobId = asyncio.run(command.store.enqueue(queue, Job(name)))
    return found


def counts(command: Any, queue: str = "mail") -> dict[State, int]:
    found: dict[State, int] = asyncio.run(command.store.counts(queue))
    return found


async def buried(command: Any) -> None:
    client = command.cluster.client()
    async with client.session() as session:
        worker = HandWorker(client, session.lease, command.store.places)
        for held in await worker.take("mail"):
            assert await worker.bury(held, "Traceback\nValueError: bad")


def test_queues_are_listed_with_their_counts_and_what_holds_them_shut(coord_command: Any) -> None:
    enqueued(coord_command)
    enqueued(coord_command, "web")
    asyncio.run(coord_command.store.pause("web", "deploy"))
    as_json = json.loads(coord_command("queue", "list", "-w", "json").stdout)
    assert [(each["queue"], each["counts"]["ready"]) for each in as_json] == [
        ("mail", 1),
        ("web", 1),
    ]
    assert as_json[1]["shut"] == {"pause": "deploy"}
    lines = coord_command("queue", "list", "-w", "simple").stdout.splitlines()
    assert lines[1] == "web 1 0 0 0 0 0  pause"
    assert "shut by" in coord_command("queue", "list").stdout


def test_a_queue_is_shown_with_what_comes_next(coord_command: Any) -> None:
    job_id = enqueued(coord_command)
    asyncio.run(coord_command.store.pause("mail"))
    limit = coord_command.store.places.queue("mail").limit
    coord_command.cluster.write(ops.put(limit, "queue.mail"))
    shown = coord_command("queue", "show", "mail").stdout.splitlines()
    assert shown[0] == "ready     1"
    assert "limit     queue.mail" in shown
    assert "shut by   pause" in shown
    assert shown[-1].startswith(f"next      {job_id} send since ")
    assert json.loads(coord_command("queue", "show", "mail", "-w", "json").stdout)


def test_a_watched_queue_is_shown_again_when_it_changes(
    coord_command: Any, told_to_end: Callable[[], None]
) -> None:
    place = coord_command.store.places.queue("mail").ready
    coord_command.steps += [
        lambda: coord_command.cluster.write(ops.put(place + b"5" + b"0" * 20, "{}")),
        *(lambda: None,) * 50,
        told_to_end,
    ]
    result = coord_command("queue", "show", "mail", "--watch", "-w", "simple")
    assert result.exit_code == 143
    assert "ready     1" in result.stdout


def test_a_queue_is_paused_and_resumed(coord_command: Any) -> None:
    assert coord_command("queue", "pause", "mail", "--reason", "so").stdout == "mail is paused\n"
    shut = coord_command.store.places.queue("mail").shut
    coord_command.cluster.write(ops.put(shut + b"gate-night", "until six"))
    said = coord_command("queue", "resume", "mail").stdout
    assert said == "mail is resumed\nshut by   gate-night until six\n"
    assert "was not paused" in coord_command("queue", "resume", "mail").stdout


def test_purging_counts_first_and_wants_to_be_sure(coord_command: Any) -> None:
    for _ in range(3):
        enqueued(coord_command)
    asked = coord_command("queue", "purge", "mail")
    assert asked.exit_code == 2
    assert "purge 3 jobs of mail (3 ready, 0 later, 0 parked); say --yes" in asked.stderr
    assert counts(coord_command)[State.READY] == 3
    done = coord_command("queue", "purge", "mail", "--yes")
    assert (done.exit_code, done.stdout) == (0, "purged 3 jobs of mail\n")
    assert counts(coord_command)[State.READY] == 0
    ended = coord_command("queue", "purge", "mail", "--state", "cancelled", "--yes")
    assert ended.stdout == "purged 3 jobs of mail\n"
    assert coord_command("queue", "purge", "mail", "--state", "held").exit_code == 2


@pytest.mark.parametrize("form", ["simple", "table", "json"])
def test_dead_jobs_are_listed_with_why_they_failed(coord_command: Any, form: str) -> None:
    job_id = enqueued(coord_command)
    asyncio.run(buried(coord_command))
    shown = coord_command("queue", "dead", "mail", "-w", form).stdout
    assert str(job_id) in shown
    assert "ValueError: bad" in shown


def test_dead_jobs_are_replayed_by_id_or_all_of_them(coord_command: Any) -> None:
    first, *_ = [enqueued(coord_command) for _ in range(3)]
    asyncio.run(buried(coord_command))
    one = coord_command("queue", "replay", "mail", str(first))
    assert one.stdout == "replayed 1 jobs of mail\n"
    asked = coord_command("queue", "replay", "mail", "--all")
    assert (asked.exit_code, "replay 2 dead jobs of mail; say --yes" in asked.stderr) == (2, True)
    assert coord_command("queue", "replay", "mail", "--all", "--yes").exit_code == 0
    assert (counts(coord_command)[State.READY], counts(coord_command)[State.DEAD]) == (3, 0)
    assert coord_command("queue", "replay", "mail").exit_code == 2
    astray = coord_command("queue", "replay", "web", str(first))
    assert (astray.exit_code, "is not of the queue web" in astray.stderr) == (2, True)
