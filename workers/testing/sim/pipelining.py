"""Programs around pipelines, and what must be so of these: started once, stages in order, ended."""

from collections import Counter, defaultdict

from coord.errors import CoordError
from coord.model import Event, EventKind
from coord.testing.violation import Violation
from recipes.testing.actor import Actor, Program
from recipes.testing.hold_checks import Told
from recipes.testing.journal import Order
from recipes.testing.truth import in_order
from workers.gates.conditions import AnyOf, Signal, Time
from workers.model.job import Backoff
from workers.pipelines.codec import decode_pipeline
from workers.pipelines.errors import (
    NothingToRetry,
    PipelineEnded,
    PipelineRuns,
    UnknownPipeline,
)
from workers.pipelines.places import PipelinePlaces, stage_of
from workers.pipelines.run import RUN_ENDED, RunState, decode_run
from workers.pipelines.spec import Call, Collect, ForEach, Pipeline, Stage
from workers.pipelines.store import PipelineStore
from workers.testing.scheduling import LoopTimer
from workers.testing.sim.judging import judged
from workers.testing.sim.play import FUNCTION, QUEUES, Play

PIPELINES_MAX = 4  # of one program
SIGNAL = "go"
_KEEP_MS = 3_600_000
_REFUSALS = (NothingToRetry, PipelineEnded, PipelineRuns, UnknownPipeline)


def starting(play: Play) -> Program:
    """Return the program that starts pipelines, each under a name of its own, and waits for all."""

    async def start(actor: Actor) -> None:
        store = PipelineStore(actor.client, play.places, LoopTimer())
        started: list[str] = []
        with actor.at_work(play.busy):
            while len(started) < PIPELINES_MAX and not actor.is_over():
                await actor.think(5.0)
                name = f"{actor.name}.{len(started)}"
                pipeline = _drawn(actor, name, store.site.timer.now_unix_ms())
                started.append(await _start(actor, play, store, pipeline))
            for pipeline_id in started:
                await _wait_for(actor, store, pipeline_id)

    return start


async def _start(actor: Actor, play: Play, store: PipelineStore, pipeline: Pipeline) -> str:
    while True:
        try:
            pipeline_id = await store.start(pipeline, once=pipeline.name)
        except CoordError as error:
            actor.failed(error)
            await actor.think()
            continue
        name = pipeline.name.encode()
        actor.journal.orders.append(Order(_orders(play), name, pipeline_id))
        return pipeline_id


async def _wait_for(actor: Actor, store: PipelineStore, pipeline_id: str) -> None:
    while True:
        try:
            run = await store.wait(pipeline_id)
        except CoordError as error:
            actor.failed(error)
            await actor.think()
            continue
        if run.state not in RUN_ENDED:
            raise Violation(f"pipeline {pipeline_id} was said to have ended: {run}")
        actor.count("ends of pipelines told")
        return


def meddling(play: Play) -> Program:
    """Return the program that cancels pipelines, takes them up again and gives them signals."""

    async def meddle(actor: Actor) -> None:
        store = PipelineStore(actor.client, play.places, LoopTimer())
        with actor.at_work(play.busy):
            while not actor.is_over():
                await actor.think(10.0)
                known = [o.id for o in actor.journal.orders if o.queue == _orders(play) and o.id]
                if not known:
                    continue
                try:
                    await _act(actor, store, actor.luck.choice(known))
                except _REFUSALS as refusal:
                    actor.count(f"pipelines: told {type(refusal).__name__}")
                except CoordError as error:
                    actor.failed(error)

    return meddle


async def _act(actor: Actor, store: PipelineStore, pipeline_id: str) -> None:
    way = actor.luck.random()
    if way < 0.2:
        await store.cancel(pipeline_id, "on purpose")
        actor.count("pipelines: cancelled")
    elif way < 0.6:
        await store.retry(pipeline_id)
        actor.count("pipelines: taken up again")
    else:
        await store.signal(pipeline_id, SIGNAL)
        actor.count("pipelines: signals given")


def _drawn(actor: Actor, name: str, now_unix_ms: int) -> Pipeline:
    luck = actor.luck
    waits = AnyOf((Signal(SIGNAL), Time(now_unix_ms + luck.choice((0, 300, 900)))))
    jobs = tuple(_call(actor, f"{name}/{n}") for n in range(luck.randint(1, 5)))
    listed = luck.choice(
        (
            Stage("listed", jobs, on_failure="stop"),
            Stage("listed", jobs, on_failure="continue"),
            Stage("listed", jobs, on_failure="retry", retries=2),
        )
    )
    if luck.random() < 0.5:
        second = Stage("each", for_each=ForEach("listed", _call(actor), "result"), gate=waits)
    else:
        more = tuple(_call(actor, f"{name}/more/{n}") for n in range(2))
        second = Stage("each", jobs=more, after=("listed",), on_failure="continue")
    last = Stage("last", collect=Collect(("listed", "each"), _call(actor), "results"))
    return Pipeline(name, (listed, second, last), keep_ms=_KEEP_MS)


def _call(actor: Actor, body: str = "") -> Call:
    return Call(
        FUNCTION,
        {"body": body} if body else {},
        queue=actor.luck.choice(QUEUES),
        attempts_max=actor.luck.choice((1, 3)),
        backoff=Backoff(base_ms=20, max_ms=100),
        result_ttl_ms=500,
    )


def _orders(play: Play) -> bytes:
    return play.space + b"pipelines"


def check_pipelines(told: Told, play: Play) -> Counter[str]:
    """Judge everything that happened to the jobs and the pipelines of a play.

    Returns:
        What happened, by name.

    Raises:
        Violation: something must not have.
    """
    counts = judged(told, play).counts
    log = _PipelineLog(play)
    for event in in_order(told.events):
        if event.kv.key.startswith(play.space):
            log.take(event)
    log.check_end(told)
    counts["pipelines started"] = len(log.started)
    for state in sorted(RUN_ENDED, key=lambda state: state.value):
        counts[f"pipelines {state.value}"] = sum(end is state for end in log.ends.values())
    return Counter({f"{play.name}: {what}": number for what, number in counts.items()})


class _PipelineLog:
    """What the log says of pipelines."""

    def __init__(self, play: Play) -> None:
        self.started: dict[str, str] = {}
        self.ends: dict[str, RunState] = {}
        self._play = play
        self._places = PipelinePlaces(play.places)
        self._once = play.places.pipelines + b"once/"
        self._specs: dict[str, Pipeline] = {}
        self._open: dict[str, set[str]] = defaultdict(set)

    def take(self, event: Event) -> None:
        """Take in one event.

        Raises:
            Violation: it must not have happened.
        """
        kv, places = event.kv, self._places
        if kv.key.startswith(self._play.places.groups):
            self._take_job(event)
        if event.kind is not EventKind.PUT:
            return
        last = kv.key.rpartition(b"/")[2].decode()
        if kv.key.startswith(places.specs):
            self._specs[last] = decode_pipeline(kv.value)
        elif kv.key.startswith(self._once):
            name = kv.key.split(b"/")[-2].decode()
            if name in self.started:
                raise Violation(f"pipeline {name!r} was started twice")
            self.started[name] = last
        elif kv.key.startswith(places.ended):
            run = decode_run(kv.value)
            if run is None or run.state not in RUN_ENDED:
                raise Violation(f"{kv} is no end of a pipeline")
            self.ends[last] = run.state

    def _take_job(self, event: Event) -> None:
        prefix = self._play.places.groups
        group, kind, job = event.kv.key.removeprefix(prefix).decode().split("/")
        if kind != "open":
            return
        if event.kind is EventKind.DELETE:
            self._open[group].discard(job)
            return
        self._check_order(group, job)
        self._open[group].add(job)

    def _check_order(self, group: str, job: str) -> None:
        """No job of a stage is there while one of a stage it awaits has not ended."""
        family = stage_of(group)
        assert family is not None, group
        pipeline_id, stage = family
        for awaited in self._specs[pipeline_id].stage(stage).awaits:
            if self._open[f"pipeline.{pipeline_id}.{awaited}"]:
                raise Violation(f"{job} of {group} is there before {awaited} has ended")

    def check_end(self, told: Told) -> None:
        """All pipelines have ended, and each is the one its starter was told.

        Raises:
            Violation: not so.
        """
        for order in told.journal.orders:
            if order.queue == _orders(self._play):
                is_known = self.started.get(order.body.decode()) == order.id
                if not is_known:
                    raise Violation(f"{order}, and the log says {self.started}")
        if any(self._open.values()):
            raise Violation(f"jobs of groups are open when all is over: {self._open}")
        if set(self.ends) != set(self._specs):
            raise Violation(f"started were {sorted(self._specs)}, ended {sorted(self.ends)}")
