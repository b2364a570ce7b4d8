"""What a doctor makes of facts: rules, each with a case that is fine and one that is not."""

import asyncio
from typing import Any

import attrs
import pytest

from coord.client import ops
from coord.client.ops import Text
from coord.errors import Unavailable
from coord.requests import RangeReply, StatusReply
from coord.testing.local import LocalClient, LocalCluster, in_loop, settle
from workers.limits.rule import Rule
from workers.limits.store import LimitStore
from workers.model.job import Job
from workers.model.places import Places
from workers.model.states import State
from workers.overview.facts import Facts, find_facts
from workers.overview.findings import Finding, Severity, findings, is_healthy
from workers.overview.values import Member
from workers.running.roll import CurrentJob
from workers.schedules.store import ScheduleStore
from workers.schedules.values import Every, Schedule
from workers.store.jobs import JobStore
from workers.testing.at_hand import entry, in_office, on_the_roll, ready, status
from workers.testing.hand_timer import HandTimer
from workers.testing.hand_worker import HandWorker


class Patient:
    """A store with a steward and a worker of queue q, all well."""

    def __init__(self) -> None:
        self.timer = HandTimer()
        self.client = LocalCluster().client()
        self.store = JobStore(self.client, timer=self.timer)

    async def facts(self) -> Facts:
        """Examine it, letting a second pass where the doctor waits."""
        finding = asyncio.create_task(find_facts(self.store))
        await settle()
        if not finding.done():
            self.timer.advance(1_000)
        return await finding

    async def told(self) -> list[str]:
        """Return what is found, as text."""
        return [_told(finding) for finding in findings(await self.facts())]


async def _well() -> Patient:
    patient = Patient()
    await in_office(patient.client)
    await on_the_roll(patient.client, entry("w", "q"))
    return patient


def _told(finding: Finding) -> str:
    return f"{finding.severity.value} {finding.about}: {finding.text}"


def _members(*answers: StatusReply | str) -> list[str]:
    members = tuple(
        Member(f"c{at}", error=each) if isinstance(each, str) else Member(f"c{at}", each)
        for at, each in enumerate(answers, 1)
    )
    return [_told(finding) for finding in findings(Facts(0, members))]


def test_members_that_agree_give_no_findings() -> None:
    assert _members(status(1), status(2), status(3)) == []


def test_a_silent_member_is_told_and_that_no_more_may_be_lost() -> None:
    assert _members(status(1), status(2), "timed out") == [
        "error member c3: does not answer: timed out",
        "warning cluster: if one more member is lost, nothing can be written",
    ]


def test_too_few_members_are_told() -> None:
    assert "error cluster: 1 of 3 voters answer; 2 are needed" in _members(status(1), "", "")


def test_members_that_do_not_agree_on_the_leader_are_told() -> None:
    told = _members(status(1), status(2), status(3, leader=3, term=4))
    assert told == ["error cluster: members do not agree: n1 leads term 3 or n3 leads term 4"]


def test_no_leader_is_told() -> None:
    (told,) = _members(*(status(node, leader=0) for node in (1, 2, 3)))
    assert told.startswith("error cluster: nobody leads")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"alarms": ("no space on n2",)}, "error member n2: raises the alarm no space on n2"),
        ({"commit_index": 90_000, "applied_index": 60_000}, "is 30000 log entries behind"),
        ({"longest_turn_ms": 2500.0}, "warning member n2: stood still for 2500 ms"),
        ({"version": "0.0.1"}, "warning versions: members and this program differ: 0.0.1"),
    ],
)
def test_what_ails_a_member_is_told(changes: dict[str, object], expected: str) -> None:
    told = _members(status(1), status(2, **changes), status(3))
    assert any(expected in each for each in told), told


def test_the_worst_comes_first() -> None:
    members = (Member("c1", status(1, longest_turn_ms=5000.0)), Member("c2", error="gone"))
    severities = [finding.severity for finding in findings(Facts(0, members))]
    assert severities == sorted(severities, key=list(Severity).index)


def test_notes_are_no_illness() -> None:
    assert is_healthy([Finding(Severity.NOTE, "workers", "none lives")])
    assert not is_healthy([Finding(Severity.WARNING, "store", "slow")])


@in_loop
async def test_where_all_is_well_nothing_is_found() -> None:
    assert await (await _well()).told() == []


@in_loop
async def test_a_store_that_does_not_answer_is_a_finding() -> None:
    class Dead(LocalClient):
        async def get(self, key: Text, **options: Any) -> RangeReply:
            raise Unavailable("no leader")

    facts = await find_facts(JobStore(Dead(LocalCluster()), timer=HandTimer()))
    assert [_told(each) for each in findings(facts)] == ["error store: does not answer: no leader"]


@in_loop
async def test_a_queue_nobody_runs_is_told_with_how_long_it_waits() -> None:
    patient = await _well()
    await ready(patient.store, queue="other", waited_ms=300_000)
    assert await patient.told() == [
        "error queue other: 1 job is ready, the first was enqueued 5 min ago, "
        "and no living worker runs this queue"
    ]


@in_loop
async def test_a_worker_that_is_told_to_end_runs_no_queue() -> None:
    patient = await _well()
    await on_the_roll(
        patient.client,
        entry("v", "other").__class__("v", "b", 1, "0.1.0", ("other",), 1, ending="drain"),
    )
    await ready(patient.store, queue="other")
    told = await patient.told()
    assert "no living worker runs this queue" in told[0]
    assert told[1] == "note worker v: is told to drain; it holds 0 jobs"


@in_loop
async def test_a_queue_that_stands_still_though_slots_are_free_is_told() -> None:
    patient = await _well()
    await ready(patient.store, waited_ms=60_000)
    (told,) = await patient.told()
    assert told.endswith("though 4 slots are free")


@in_loop
async def test_a_queue_that_moves_is_fine() -> None:
    patient = await _well()
    await ready(patient.store)
    finding = asyncio.create_task(find_facts(patient.store))
    await settle()
    await HandWorker(patient.client, (await patient.client.session()).lease).take("q")
    patient.timer.advance(1_000)
    assert findings(await finding) == []


@in_loop
async def test_a_queue_held_shut_is_told_by_whom() -> None:
    patient = await _well()
    await patient.store.pause("q", "s3cret")
    assert await patient.told() == ["note queue q: is held shut by pause; 0 jobs are ready"]
    await ready(patient.store)
    assert await patient.told() == ["warning queue q: is held shut by pause; 1 job is ready"]


@in_loop
async def test_dead_jobs_are_told_without_what_they_say() -> None:
    patient = await _well()
    await ready(patient.store)
    worker = HandWorker(patient.client, (await patient.client.session()).lease)
    (held,) = await worker.take("q")
    await worker.bury(held, "ValueError: s3cret")
    (finding,) = findings(await patient.facts())
    assert finding.text == "1 job is dead, of f; see coord queue dead"
    assert finding.detail == "1 x ValueError: s3cret"


@in_loop
async def test_jobs_whose_function_nobody_knows_are_told() -> None:
    patient = await _well()
    await ready(patient.store, name="gone")
    worker = HandWorker(patient.client, (await patient.client.session()).lease)
    (held,) = await worker.take("q")
    await worker.bury(held, "no job function named 'gone'; there are: f")
    told = await patient.told()
    assert told[0].startswith("error queue q: jobs died because workers know no function gone")


@in_loop
async def test_work_without_a_steward_is_told() -> None:
    patient = await _well()
    await patient.client.delete(Places().steward, prefix=True)
    (told,) = await patient.told()
    assert told.startswith("error steward: there is none")


@in_loop
async def test_an_empty_store_needs_no_steward() -> None:
    assert await Patient().told() == ["note workers: none lives"]


@in_loop
async def test_what_is_overdue_is_told() -> None:
    patient = await _well()
    due_unix_ms = patient.timer.now_unix_ms() + 1_000
    await patient.store.enqueue("q", Job("f", due_unix_ms=due_unix_ms))
    assert await patient.told() == []
    patient.timer.advance(61_000)
    (told,) = await patient.told()
    assert told.startswith("error steward: what fell due 1 min ago is not done")


@in_loop
async def test_a_schedule_that_did_not_fire_is_told() -> None:
    patient = await _well()
    schedules = ScheduleStore(patient.client, Places(), patient.timer)
    await schedules.set(Schedule("tick", Job("f"), Every(60_000)))
    assert await patient.told() == []
    patient.timer.advance(180_000)
    (told,) = await patient.told()
    assert told.startswith("error schedule tick: was due")


@in_loop
async def test_a_limit_with_room_that_lets_nobody_pass_is_told() -> None:
    patient = await _well()
    limits = LimitStore(patient.client, Places(), patient.timer)
    await limits.set("few", Rule(concurrency=2))
    await patient.store.enqueue("q", Job("f", limits=("few",)))
    assert (await patient.store.counts("q"))[State.PARKED] == 1
    assert await patient.told() == [
        "warning limit few: would let 2 more jobs pass, and 1 wait behind it"
    ]


@in_loop
async def test_a_limit_that_is_full_is_in_order() -> None:
    patient = await _well()
    limits = LimitStore(patient.client, Places(), patient.timer)
    await limits.set("few", Rule(concurrency=1))
    await patient.store.enqueue("q", Job("f", limits=("few",)))
    admitted = Places().admitted("few") + b"q:500000000000000010000"
    await patient.client.txn(success=[ops.put(admitted)])
    assert await patient.told() == ["note limit few: is full; 1 jobs wait behind it"]


@in_loop
async def test_a_worker_whose_clock_is_ahead_is_told() -> None:
    patient = await _well()
    later_unix_ms = patient.timer.now_unix_ms() + 90_000
    job = CurrentJob("q:500000000000000010000", "f", 1, later_unix_ms)
    await on_the_roll(patient.client, entry("ahead", "q", jobs=(job,)))
    assert await patient.told() == [
        "warning worker ahead: its clock is at least 1 min 30 s ahead of this machine's"
    ]


@in_loop
async def test_slow_reads_are_told() -> None:
    facts = attrs.evolve(await (await _well()).facts(), read_ms=(1.0, 300.0, 900.0))
    assert [_told(each) for each in findings(facts)] == ["warning store: a read takes 300 ms"]
