"""From a job, or from a pipeline, up to what it waits for: in words and as JSON."""

import pytest

from coord.testing.local import in_loop, settle
from workers.errors import UnknownJob
from workers.gates.conditions import AllOf, Signal, Time
from workers.gates.gate import Gate
from workers.gates.store import GateStore
from workers.limits.rule import Rule
from workers.limits.store import LimitStore
from workers.model.ids import JobId
from workers.model.job import Job
from workers.pipelines.job_explaining import explain_job
from workers.pipelines.spec import Call, Pipeline, Stage
from workers.store.jobs import JobStore
from workers.testing.hand_timer import START_UNIX_MS
from workers.testing.pipeline_world import PipelineWorld

GATE = AllOf((Signal("go"), Time(START_UNIX_MS + 60_000)))
SPEC = Pipeline(
    "nightly",
    (
        Stage("load", (Call("load"), Call("load"), Call("load")), on_failure="continue"),
        Stage("send", (Call("send"),), after=("load",), gate=GATE),
    ),
)


@in_loop
async def test_each_stage_tells_its_jobs_or_what_it_waits_for() -> None:
    world = PipelineWorld()
    async with world.steward():
        made = await world.store.start(SPEC)
        worker = await world.worker()
        done, dead, _ = await world.take(worker)
        await worker.complete(done)
        await worker.bury(dead)
        await world.store.signal(made, "go", "tested", by="ann")
        await settle()
        assert list((await world.store.explain(made)).lines()) == [
            f"pipeline {made} (nightly) is running: 0 of 2 stages have ended well",
            "stage load is running since 2023-11-14 22:13:20Z: 1 of 3 jobs done, 1 open, 1 failed",
            f"  job {dead.id} is dead",
            "stage send is waiting since 2023-11-14 22:13:20Z",
            "  it opens when",
            "    no  all of: 0 of 2",
            "      no  stage load has ended well",
            "      no  all of: 1 of 2",
            "        yes signal go was given, since 2023-11-14 22:13:20Z (by ann: tested)",
            "        no  it is 2023-11-14 22:14:20Z (now 2023-11-14 22:13:20Z)",
        ]


@in_loop
async def test_a_job_tells_its_queue_its_gate_and_its_stage() -> None:
    world = PipelineWorld()
    gates = GateStore(world.client, world.places, world.timer)
    await gates.set(Gate("quiet", Signal("go"), queue="default"))
    async with world.steward():
        made = await world.store.start(SPEC)
        await settle()
        ready = (await world.client.get(b"coord/queue/default/ready/", prefix=True)).kvs
        job = JobId("default", ready[1].key.rpartition(b"/")[2].decode())
        lines = list((await explain_job(world.store, job)).lines())
    assert lines[:5] == [
        f"job {job} is ready",
        "  queue default is held shut by gate quiet",
        "    no  signal go was given",
        "it is of stage load of",
        f"  pipeline {made} (nightly) is running: 0 of 2 stages have ended well",
    ]


@in_loop
async def test_a_job_that_waits_tells_for_what() -> None:
    world = PipelineWorld()
    jobs = JobStore(world.client, world.places, world.timer)
    limits = LimitStore(world.client, world.places, world.timer)
    await limits.set("mail", Rule(concurrency=2))
    later = await jobs.enqueue("q", Job("a", due_unix_ms=START_UNIX_MS + 1_000))
    parked = await jobs.enqueue("q", Job("b", limits=("mail",)))
    first = await jobs.enqueue("q", Job("c"))
    second = await jobs.enqueue("q", Job("d"))
    told = {}
    for job in (later, parked, first, second):
        told[job] = [reason.words for reason in (await explain_job(world.store, job)).reasons]
    assert told[later] == ["it waits for 2023-11-14 22:13:21Z, now 2023-11-14 22:13:20Z"]
    assert told[parked] == ["limit mail (2 at once) has room: 0 admitted, 0 of its queue before it"]
    assert told[second] == ["it waits for a worker, 1 jobs of its queue before it"]
    worker = await world.worker()
    (held, _) = await worker.take("q")
    assert [reason.words for reason in (await explain_job(world.store, first)).reasons] == [
        "worker w has it"
    ]
    await worker.bury(held, "no disk")
    assert list((await explain_job(world.store, first)).lines())[1] == "  it has ended: no disk"


@in_loop
async def test_of_a_job_that_is_not_known_nothing_is_told() -> None:
    with pytest.raises(UnknownJob):
        await explain_job(PipelineWorld().store, JobId("q", "4" + "0" * 20))
