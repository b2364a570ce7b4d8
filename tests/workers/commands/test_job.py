"""`coord job`: submitting, looking, cancelling, trying again."""

import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from coord import ops
from workers.model.ids import JobId
from workers.model.job import Job
from workers.model.states import State
from workers.testing.hand_timer import START_UNIX_MS
from workers.testing.hand_worker import HandWorker

SHOP = ("-A", "shop:app")


@pytest.fixture
def _shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    yield
    sys.modules.pop("shop", None)


def submitted(command: Any, *args: str) -> JobId:
    result = command("job", "submit", *args)
    assert result.exit_code == 0, result.output
    return JobId.parse(result.stdout.strip())


def job_of(command: Any, job_id: JobId) -> Job:
    found = asyncio.run(command.store.find(job_id))
    assert found is not None
    assert found.job is not None
    job: Job = found.job
    return job


async def buried(command: Any, cause: str = "Traceback\nValueError: bad") -> None:
    client = command.cluster.client()
    async with client.session() as session:
        worker = HandWorker(client, session.lease, command.store.places)
        for held in await worker.take("mail"):
            assert await worker.bury(held, cause)


@pytest.mark.usefixtures("_shop")
def test_a_submitted_job_is_checked_and_read_as_its_function_is_annotated(
    coord_command: Any,
) -> None:
    job_id = submitted(
        coord_command, "send", "to=5", "copies=3", "urgent=true", 'also=["a"]', *SHOP
    )
    job = job_of(coord_command, job_id)
    assert job_id.queue == "mail"
    assert job.args == {"to": "5", "copies": 3, "urgent": True, "also": ["a"]}
    assert job.tags == ("post",)


@pytest.mark.usefixtures("_shop")
@pytest.mark.parametrize(
    ("args", "why"),
    [
        (("sned", "to=a"), "no job named 'sned'; there are: send"),
        (("send", "to=a", "copies=many"), "argument 'copies'"),
        (("send",), "'to'"),
        (("send", "to=a", "colour=red"), "'colour'"),
        (("send", "to"), "'to' is not NAME=VALUE"),
        (("send", "to=a", "to=b"), "to is given twice"),
        (("send", "--json", "[1]"), "an object"),
        (("send", "--json", "{"), "--json"),
        (("send", "to=a", "--json", "{}"), "exclude another"),
        (("send", "to=a", "--at", "noon"), "--at"),
        (("send", "to=a", "--at", "0001-01-01"), "--at"),
        (("send", "to=a", "--at", "9999-12-31T23:59:59-14:00"), "the year 9999"),
        (("send", "to=a", "--json", "[" * 200_000), "--json"),
        (("send", "to=a", "--unique-for", "5"), "need --unique"),
        (("send", "to=a", "--queue", "a/b"), "queue 'a/b'"),
    ],
)
def test_what_cannot_be_submitted_is_misuse_that_names_the_cause(
    coord_command: Any, args: tuple[str, ...], why: str
) -> None:
    result = coord_command("job", "submit", *args, *SHOP)
    assert result.exit_code == 2
    assert why in result.stderr
    assert asyncio.run(coord_command.store.queues()) == []


def test_an_application_that_is_not_there_is_misuse(coord_command: Any) -> None:
    result = coord_command("job", "submit", "send", "-A", "no.such:app")
    assert (result.exit_code, "No module named" in result.stderr) == (2, True)
    result = coord_command("job", "submit", "send", "-A", ".shop:app")
    assert (result.exit_code, ".shop:app" in result.stderr) == (2, True)


def test_without_an_application_values_are_json_or_text_and_options_are_as_said(
    coord_command: Any,
) -> None:
    job_id = submitted(
        coord_command, "resize", "n=3", "path=a.png", "deep={\"a\": [1]}", "--queue", "images",
        "--priority", "9", "--delay", "60", "--expires", "120", "--attempts", "2", "--tag", "x",
        "--tag", "y", "--limit", "disk", "--soft-limit", "1", "--hard-limit", "2", "--keep", "3",
        "--unique", "args", "--unique-for", "10",
    )  # fmt: skip
    job = job_of(coord_command, job_id)
    assert (job_id.queue, job_id.priority, job.args) == (
        "images",
        9,
        {"n": 3, "path": "a.png", "deep": {"a": [1]}},
    )
    assert (job.tags, job.limits, job.attempts_max) == (("x", "y"), ("disk",), 2)
    assert (job.soft_limit_ms, job.hard_limit_ms, job.result_ttl_ms) == (1000, 2000, 3000)
    assert job.due_unix_ms - job.created_unix_ms == 60_000
    assert job.unique_until_unix_ms - job.created_unix_ms == 10_000


def test_a_taken_key_is_not_done_unless_the_first_is_kept(coord_command: Any) -> None:
    first = submitted(coord_command, "send", "--json", '{"to": "a"}', "--unique", "args")
    again = ("send", "to=a", "--unique", "args")
    result = coord_command("job", "submit", *again)
    assert (result.exit_code, str(first) in result.stderr) == (1, True)
    assert submitted(coord_command, *again, "--when-taken", "keep") == first


def test_what_was_submitted_comes_as_json_or_a_table_too(coord_command: Any) -> None:
    said = json.loads(coord_command("job", "submit", "send", "-w", "json").stdout)
    assert (said["name"], said["queue"]) == ("send", "default")
    assert "send" in coord_command("job", "submit", "send", "-w", "table").stdout


def test_everything_known_of_a_job_is_shown_and_why_it_waits(coord_command: Any) -> None:
    store = coord_command.store
    job_id = submitted(coord_command, "send", "to=ann", "--queue", "mail", "--tag", "x")
    asyncio.run(store.pause("mail", "deploy"))
    shown = coord_command("job", "show", str(job_id)).stdout
    for line in (
        f"job       {job_id}",
        "state     ready",
        'args      {"to": "ann"}',
        "tags      x",
    ):
        assert line in shown
    assert "waits for its queue to open: pause deploy" in shown
    asyncio.run(store.resume("mail"))
    assert "waits for a worker" in coord_command("job", "show", str(job_id)).stdout
    as_json = json.loads(coord_command("job", "show", str(job_id), "-w", "json").stdout)
    assert (as_json["state"], as_json["job"]["args"]) == ("ready", {"to": "ann"})
    assert "send" in coord_command("job", "show", str(job_id), "-w", "table").stdout


def test_a_job_says_which_time_or_limit_it_waits_for(coord_command: Any) -> None:
    later = submitted(coord_command, "send", "--at", "2030-01-02T03:04:05+00:00")
    parked = submitted(coord_command, "send", "--limit", "tenant.a")
    assert "waits for its time, 2030" in coord_command("job", "show", str(later)).stdout
    assert "limits: tenant.a" in coord_command("job", "show", str(parked)).stdout
    listed = coord_command("job", "list").stdout.splitlines()
    assert [line.split()[1] for line in listed] == ["parked", "later"]
    assert "behind tenant.a" in listed[0]
    assert "due 2030" in listed[1]


def test_a_running_job_shows_its_worker_and_how_far_it_is(coord_command: Any) -> None:
    job_id = submitted(coord_command, "send", "--queue", "mail")
    store = coord_command.store

    async def look() -> None:
        client = coord_command.cluster.client()
        async with client.session() as session:
            worker = HandWorker(client, session.lease, store.places)
            await worker.take("mail")
            report = b'{"done": 3, "total": 10, "message": "at c"}'
            await client.put(store.places.progress + str(job_id).encode(), report)
            found = await store.find(job_id)
            shown = await asyncio.to_thread(coord_command, "job", "show", str(job_id))
            listed = await asyncio.to_thread(coord_command, "job", "list", "mail")
        assert f"worker    {found.worker}" in shown.stdout
        assert "progress  3 of 10 at c" in shown.stdout
        assert f"on {found.worker}" in listed.stdout

    asyncio.run(look())


@pytest.mark.parametrize("command", ["show", "cancel", "retry", "logs", "wait"])
def test_a_job_that_is_not_there_is_not_done_and_no_id_is_misuse(
    coord_command: Any, command: str
) -> None:
    unknown = coord_command("job", command, "mail:4" + "0" * 20)
    assert unknown.exit_code == 1
    assert unknown.stderr.startswith("coord: no job mail:4000")
    assert coord_command("job", command, "mail-5").exit_code == 2


def test_listings_are_by_state_name_and_tag_up_to_a_limit(coord_command: Any) -> None:
    one = submitted(coord_command, "send", "--queue", "mail", "--tag", "x")
    two = submitted(coord_command, "fetch", "--queue", "web")
    three = submitted(coord_command, "send", "--queue", "web")
    coord_command("job", "cancel", str(three), "--reason", "no")

    def ids(*args: str) -> list[str]:
        found: list[str] = coord_command("job", "list", "--ids", *args).stdout.split()
        return found

    assert ids() == [str(one), str(two), str(three)]
    assert ids("web") == [str(two), str(three)]
    assert ids("--state", "cancelled") == [str(three)]
    assert ids("--name", "fetch") == [str(two)]
    assert ids("--tag", "x") == [str(one)]
    assert ids("--limit", "1") == [str(one)]
    as_json = json.loads(coord_command("job", "list", "web", "-w", "json").stdout)
    assert [job["state"] for job in as_json] == ["ready", "cancelled"]
    table = coord_command("job", "list", "-w", "table").stdout
    assert "cancelled: no" in table


def test_a_watched_listing_is_printed_again_when_it_changes(
    coord_command: Any, told_to_end: Callable[[], None]
) -> None:
    place = coord_command.store.places.queue("mail").ready
    item = f"5{START_UNIX_MS:020x}".encode()
    coord_command.steps += [
        lambda: coord_command.cluster.write(ops.put(place + item, '{"name": "send"}')),
        *(lambda: None,) * 50,
        told_to_end,
    ]
    result = coord_command("job", "list", "mail", "--watch")
    assert result.exit_code == 143
    assert "send" in result.stdout


def test_cancelling_says_what_each_job_is_now(coord_command: Any) -> None:
    job_id = submitted(coord_command, "send")
    first = coord_command("job", "cancel", str(job_id), "--reason", "typo")
    assert first.stdout == f"{job_id} cancelled\n"
    again = coord_command("job", "cancel", str(job_id), "-w", "json")
    assert json.loads(again.stdout) == {"id": str(job_id), "state": "cancelled"}
    assert "typo" in coord_command("job", "show", str(job_id)).stdout


def test_cancelling_all_of_a_queue_counts_first_and_wants_to_be_sure(coord_command: Any) -> None:
    for _ in range(3):
        submitted(coord_command, "send", "--queue", "mail")
    asked = coord_command("job", "cancel", "--all-of", "mail")
    assert (asked.exit_code, "cancel 3 jobs of mail; say --yes" in asked.stderr) == (2, True)
    done = coord_command("job", "cancel", "--all-of", "mail", "--yes")
    assert (done.exit_code, done.stdout.count("cancelled")) == (0, 3)
    assert coord_command("job", "cancel").exit_code == 2


def test_a_dead_job_is_shown_with_its_cause_and_can_be_tried_again(coord_command: Any) -> None:
    job_id = submitted(coord_command, "send", "--queue", "mail")
    early = coord_command("job", "retry", str(job_id))
    assert (early.exit_code, "only a dead one" in early.stderr) == (1, True)
    asyncio.run(buried(coord_command))
    assert "ValueError: bad" in coord_command("job", "show", str(job_id)).stdout
    again = coord_command("job", "retry", str(job_id))
    assert again.stdout == f"{job_id} ready\n"


def test_what_attempts_logged_and_why_they_failed_can_be_read(coord_command: Any) -> None:
    job_id = submitted(coord_command, "send", "--queue", "mail")
    assert coord_command("job", "logs", str(job_id)).stdout == ""
    asyncio.run(buried(coord_command))
    shown = coord_command("job", "logs", str(job_id)).stdout
    assert shown.startswith("--- attempt 1 on ")
    assert "ValueError: bad" in shown
    assert coord_command("job", "logs", str(job_id), "--attempt", "2").stdout == ""
    (attempt,) = json.loads(coord_command("job", "logs", str(job_id), "-w", "json").stdout)
    assert attempt["attempt"] == 1


def test_states_are_offered_as_they_are_called(coord_command: Any) -> None:
    result = coord_command("job", "list", "--state", "sleeping")
    assert result.exit_code == 2
    assert State.LATER.value in result.stderr


@pytest.mark.parametrize(
    "args",
    [
        ("job", "submit", "send", "to=\udcff"),
        ("job", "list", "\udcff"),
        ("queue", "show", "\udcff"),
        ("gate", "set", "g", "--signal", "go", "--note", "\udcff"),
    ],
)
def test_an_argument_that_is_no_utf_8_is_misuse_and_named(
    coord_command: Any, args: tuple[str, ...]
) -> None:
    result = coord_command(*args)
    assert result.exit_code == 2, result.output
    assert result.stderr.endswith("is no text that UTF-8 can express\n")


def test_a_job_without_a_name_is_refused(coord_command: Any) -> None:
    result = coord_command("job", "submit", "", "a=1")
    assert result.exit_code == 2
    assert "name of its function" in result.stderr
