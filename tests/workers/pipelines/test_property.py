"""Random pipelines under random workers, dying stewards, cancels and retries: nothing is lost.

Whatever happens, each listed job is enqueued exactly once, no stage begins before those it waits
for have ended well, what ended well is never run again, and in the end the pipeline ends with no
key of its jobs left anywhere but in its record.
"""

import random
from collections import Counter
from contextlib import AsyncExitStack, suppress

import msgspec
import pytest

from coord.requests import TxnOp
from coord.testing.local import in_loop, settle
from workers.gates.conditions import Signal
from workers.model.job import Job
from workers.model.states import State
from workers.pipelines import release
from workers.pipelines.errors import NothingToRetry, PipelineEnded, PipelineRuns
from workers.pipelines.places import stage_of
from workers.pipelines.run import RunState, StageState
from workers.pipelines.spawning import adding, joined
from workers.pipelines.spec import Call, Collect, ForEach, Pipeline, Stage
from workers.steps.enqueue import enqueue
from workers.testing.faulty_client import Fault
from workers.testing.hand_worker import HandWorker, Held
from workers.testing.pipeline_world import PipelineWorld
from workers.testing.slow_client import SlowClient

SEEDS = range(100)
STEPS = 40


class _Play:
    """One seed: a pipeline, and everybody who pulls at it."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.world = PipelineWorld()
        self.spec = _pipeline(self.random)
        self.made = ""
        self.held: list[Held] = []
        self.ids: dict[tuple[str, str], set[str]] = {}
        self.done: set[str] = set()
        self.expected: Counter[str] = Counter()
        self.stewards = AsyncExitStack()

    async def play(self) -> None:
        self.made = await self.world.store.start(self.spec)
        await self.new_session()
        await self.new_steward()
        acts = (self.take, self.take, self.complete, self.complete, self.complete, self.bury)
        rare = (self.obey, self.lose, self.new_steward, self.cancel, self.signal, self.retry)
        for _ in range(STEPS):
            await self.random.choice((*acts, *acts, *rare))()
            await settle(self.random.randrange(60))
        await self.stewards.aclose()
        await self.new_steward(faulty=False)
        await self.finish()
        await self.stewards.aclose()

    async def finish(self) -> None:
        """Do everything well from now on; it has to end, and end well."""
        for _ in range(4 * STEPS):
            await settle()
            run = await self.world.store.status(self.made)
            if run.state is RunState.DONE:
                return
            await self.retry()
            await self.signal()
            await self.take()
            while self.held:
                await self.complete()
        found = await self.world.store.explain(self.made)
        raise AssertionError("\n".join(found.lines()))

    async def new_session(self) -> None:
        client = self.world.client
        self.session = await client.session(ttl_ms=1_000_000)
        self.worker = HandWorker(client, self.session.lease)

    async def new_steward(self, *, faulty: bool = True) -> None:
        """Have another steward; the one before it may go, or go on without knowing."""
        if self.random.random() < 0.5:
            await self.stewards.aclose()
            self.stewards = AsyncExitStack()
        client = SlowClient(self.world.cluster, self.random)
        if faulty:
            wrong = self.random.sample(range(1, 20), 3)
            client.faults = {each: self.random.choice(list(Fault)) for each in wrong}
        await self.stewards.enter_async_context(self.world.steward(client))

    async def take(self) -> None:
        for held in await self.worker.take(limit=self.random.randint(1, 5)):
            family = stage_of(held.job.group)
            assert family is not None
            stage = self.spec.stage(family[1])
            run = await self.world.store.status(self.made)
            if run.state is RunState.RUNNING:
                states = {run.stages[name].state for name in stage.awaits}
                assert states <= {StageState.DONE}, (stage.name, run)
            assert str(held.id) not in self.done, "what ended well is run again"
            token = str(held.job.args.get("x", "collected"))
            self.ids.setdefault((stage.name, token), set()).add(str(held.id))
            self.held.append(held)

    async def complete(self) -> None:
        if not self.held:
            return
        held = self.held.pop(self.random.randrange(len(self.held)))
        tokens = [f"{held.id}-{n}" for n in range(self.random.randrange(3))]
        more: list[TxnOp] = []
        added: list[str] = []
        for stage in held.job.feeds:
            child = joined(held.job, Job("fed", {"x": f"{held.id}/{stage}"}), stage)
            more.append(adding(self.world.places, "default", 4, child))
            added.append(stage)
        if self.random.random() < 0.1:
            child = joined(held.job, Job("own", {"x": f"{held.id}/own"}))
            more += enqueue(self.world.places, "default", 4, child, 0).ops
        if await self.worker.complete(held, tokens, *more):
            self.done.add(str(held.id))
            self.expected.update(added)

    async def bury(self) -> None:
        if self.held:
            await self.worker.bury(self.held.pop())

    async def obey(self) -> None:
        for held in list(self.held):
            if await self.worker.is_asked_to_end(held):
                self.held.remove(held)
                await self.worker.end(held, State.CANCELLED, cause="asked")

    async def lose(self) -> None:
        """The worker dies; what it held is back in line."""
        self.held.clear()
        await self.session.close()
        await self.new_session()

    async def cancel(self) -> None:
        with suppress(PipelineEnded):
            await self.world.store.cancel(self.made, "enough")

    async def signal(self) -> None:
        with suppress(PipelineEnded):
            await self.world.store.signal(self.made, "go")

    async def retry(self) -> None:
        with suppress(PipelineRuns, NothingToRetry):
            await self.world.store.retry(self.made)

    async def check(self) -> None:
        for key, ids in self.ids.items():
            assert len(ids) == 1, (key, ids)
        begun = Counter(stage for stage, _ in self.ids)
        for stage in self.spec.stages:
            if stage.jobs:
                tokens = {token for name, token in self.ids if name == stage.name}
                assert {str(call.args["x"]) for call in stage.jobs} <= tokens
            fed = sum("/" in token and not token.endswith("/own")
                      for name, token in self.ids if name == stage.name)  # fmt: skip
            assert fed == self.expected[stage.name]
        assert sum(begun.values()) == len(self.done)
        assert await self.world.count(b"coord/pipeline/live/") == 0
        keys = (await self.world.client.get(b"coord/", prefix=True)).kvs
        kinds = Counter(kv.key.split(b"/")[1] for kv in keys)
        assert kinds[b"cancel"] == 0
        assert not [kv.key for kv in keys if b"/open/" in kv.key or b"/kept/" in kv.key]
        assert not [kv.key for kv in keys if b"/ready/" in kv.key or b"/dead/" in kv.key]


def _pipeline(random: random.Random) -> Pipeline:
    """Draw a pipeline of up to six stages, each after some of those before it."""
    stages: list[Stage] = []
    for number in range(random.randint(1, 6)):
        name = f"s{number}"
        before = tuple(stage.name for stage in stages if random.random() < 0.4)
        policy = random.choice(("stop", "retry"))
        stage = Stage(
            name,
            after=before,
            gate=Signal("go") if random.random() < 0.2 else None,
            on_failure="retry" if policy == "retry" else "stop",
            retries=2 if policy == "retry" else 0,
        )
        sources = _sources(random, name, before)
        stages.append(msgspec.structs.replace(stage, **sources))
        for at, other in enumerate(stages[:-1]):
            if other.name in before and random.random() < 0.3:
                feeds = (*other.feeds, name)
                stages[at] = msgspec.structs.replace(other, feeds=feeds)
    return Pipeline("drawn", tuple(random.sample(stages, len(stages))))


def _sources(random: random.Random, name: str, before: tuple[str, ...]) -> dict[str, object]:
    kind = random.choice(("jobs", "jobs", "for_each", "collect")) if before else "jobs"
    if kind == "for_each":
        return {"for_each": ForEach(before[0], Call("each"), "x")}
    if kind == "collect":
        return {"collect": Collect(before, Call("all"), "results")}
    calls = tuple(Call("listed", {"x": f"{name}.{n}"}) for n in range(random.randint(1, 5)))
    return {"jobs": calls}


@pytest.mark.parametrize("seed", SEEDS)
@in_loop
async def test_whatever_happens_every_job_ends_well_once(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(release, "OPS_MAX", 7)
    play = _Play(seed)
    await play.play()
    await play.check()
