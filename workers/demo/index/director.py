"""The demonstration's director: starts everything, watches, kills, and checks the outcome.

It takes no part in the builds. It starts the first as any batch program would, and has the second,
of a corpus with something new in it, started by a schedule it edits as a console would. All it
knows of them comes from a mirror of their keys.
"""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
from attrs import Factory, define, field, frozen
from attrs.validators import ge, in_

from coord import aio
from coord.errors import CoordError
from recipes.mirror import Mirror
from workers.demo.index import keys
from workers.demo.index.app import app
from workers.demo.index.count import count_directly
from workers.demo.index.display import Display
from workers.demo.index.files import digest_of
from workers.demo.index.index import IndexSize, search
from workers.demo.index.pipeline import index_pipeline
from workers.demo.index.processes import Node, Processes, node_programs, worker_program
from workers.demo.index.summary import Answer, Summary
from workers.demo.index.view import Build, View, view_of
from workers.model.job import Job
from workers.pipelines.store import PipelineStore
from workers.schedules.store import ScheduleStore
from workers.schedules.values import Cron, Once, Schedule

QUERIES = ("asyncio event loop", "sqlite3 cursor execute", "zip archive extract", "quokka gate")
VICTIMS = ("builder", "helper", "none")
PATIENCE_S = 20.0  # for a restarted node to catch up
LOOK_AGAIN_S = 0.1
SETTLE_S = 0.1
FIRE_AFTER_MS = 500
CHANGES = 12  # files that are new in the second build


@frozen
class DemoSettings:
    """What to run.

    Attributes:
        root: the folder whose files are indexed.
        directory: where data, logs, partial results and the index go; exists.
        nodes: members of the cluster; with at least 3, the leader is killed on the way.
        workers: worker processes; with at least 2, one is killed on the way.
        victim: which worker that is: "builder", the elected one; "helper", another; "none".
        deadline_s: seconds after which the run counts as failed.
    """

    root: keys.Root
    directory: Path
    nodes: int = field(default=3, validator=ge(1))
    workers: int = field(default=4, validator=ge(1))
    victim: str = field(default="builder", validator=in_(VICTIMS))
    deadline_s: float = 180.0


@define
class _Losses:
    """Who was killed, and who held the office before and after."""

    node: Node | None = None
    worker: str = ""
    builders: list[str] = Factory(list)
    caught_up: bool = False


class Director:
    """One run: `await Director(settings, display).run()`."""

    def __init__(self, settings: DemoSettings, display: Display) -> None:
        self._settings = settings
        self._display = display
        self._nodes = node_programs(settings.nodes, settings.directory)
        self._workers = [f"w{number + 1}" for number in range(settings.workers)]
        self._losses = _Losses()
        logs = settings.directory / "logs"
        logs.mkdir(exist_ok=True)
        self._processes = Processes(logs)
        self._view: View | None = None
        self._first: keys.Published | None = None
        self._trouble = ""

    async def run(self) -> Summary:
        """Run the whole demonstration; every process it started has ended when it returns."""
        started_s = time.monotonic()
        changes = await asyncio.to_thread(_write_changes, self._settings.directory)
        roots = [self._settings.root, changes]
        counting = asyncio.create_task(asyncio.to_thread(_count_both, roots))
        checks: dict[str, bool] = {}
        answers: list[Answer] = []
        try:
            await self._build(roots)
            if self._view is not None and self._is_over(self._view, 2):
                checks = await self._check(self._view, *await counting)
                answers = self._ask(self._view)
        finally:
            counting.cancel()
            await self._processes.stop(self._workers)
            await self._processes.stop()
        seconds = round(time.monotonic() - started_s, 1)
        return self._summary(checks, answers, seconds)

    # --- the run ---

    async def _build(self, roots: list[keys.Root]) -> None:
        """Start everything and follow the builds to their end, their trouble or the deadline."""
        try:
            async with asyncio.timeout(self._settings.deadline_s):
                surprise = asyncio.create_task(self._processes.surprise.wait())
                running = asyncio.create_task(self._start_and_follow(roots))
                try:
                    await asyncio.wait((running, surprise), return_when=asyncio.FIRST_COMPLETED)
                    if running.done():
                        running.result()
                    else:
                        self._trouble = "; ".join(self._processes.ended)
                finally:
                    for task in (running, surprise):
                        task.cancel()
                    await asyncio.gather(running, surprise, return_exceptions=True)
        except TimeoutError:
            self._trouble = f"not complete after {self._settings.deadline_s:.0f} s"
        except CoordError as error:
            self._trouble = str(error)

    async def _start_and_follow(self, roots: list[keys.Root]) -> None:
        say, settings = self._display.say, self._settings
        for node in self._nodes:
            await self._processes.start(node.program)
        endpoints = ",".join(node.client for node in self._nodes)
        say(f"cluster: {len(self._nodes)} nodes at {endpoints}")
        async with aio.connect(endpoints, timeout_ms=1000 * settings.deadline_s) as client:
            async with Mirror(client, keys.ROOT) as mirror:
                for name in self._workers:
                    await self._processes.start(worker_program(name, endpoints, settings.directory))
                say(f"workers: {', '.join(self._workers)}; corpus {settings.root.path}")
                await self._start_first(client, roots[:1])
                await self._follow(client, mirror, 1)
                assert self._view is not None
                self._first = self._view.published
                say("every worker has the first index")
                await self._push_schedule(client, roots)
                await self._follow(client, mirror, 2)
                say("every worker has the second index")
            await self._await_restarted(client)

    async def _start_first(self, client: aio.Client, roots: list[keys.Root]) -> None:
        """Start the first build, and leave a schedule for those to come."""
        schedules = ScheduleStore(client, app.places)
        await schedules.set(self._schedule(roots, Cron("0 3 * * *")), by="demo", why="nightly")
        pipeline = index_pipeline(roots, str(self._settings.directory))
        await PipelineStore(client, app.places).start(pipeline, once="first")

    async def _push_schedule(self, client: aio.Client, roots: list[keys.Root]) -> None:
        """Edit the schedule as a console would: the changed corpus, and almost at once."""
        soon = Once(time.time_ns() // 1_000_000 + FIRE_AFTER_MS)
        schedules = ScheduleStore(client, app.places)
        await schedules.set(self._schedule(roots, soon), by="demo", why="the corpus has changed")
        self._display.say(f"schedule {keys.SCHEDULE} edited: due in {FIRE_AFTER_MS} ms")

    def _schedule(self, roots: list[keys.Root], rule: Cron | Once) -> Schedule:
        args = {"roots": msgspec.to_builtins(roots), "directory": str(self._settings.directory)}
        return Schedule(keys.SCHEDULE, Job("rebuild", args), rule, keys.QUEUE)

    async def _follow(self, client: aio.Client, mirror: Mirror, number: int) -> None:
        """Follow the builds until every worker that lives has the index of one of them.

        Raises:
            CoordError: it will not be complete; says why.
        """
        while not self._is_over(view := view_of(mirror.keys), number):
            self._look(view)
            if number == 2 and len(view.builds) == 2:
                await self._kill(client, view, view.builds[1])
            await mirror.change()
        self._look(view)

    def _look(self, view: View) -> None:
        """Take in the present state."""
        self._view = view
        self._display.show(view)
        builders = self._losses.builders
        if view.builder and builders[-1:] != [view.builder]:
            builders.append(view.builder)
        if view.trouble:
            raise CoordError(view.trouble)

    def _is_over(self, view: View, number: int) -> bool:
        """Whether every worker that lives has the index of a build."""
        if len(view.builds) < number or view.published is None:
            return False
        build = view.builds[number - 1].id
        has = {name for name, received in view.received.items() if received.build == build}
        return view.published.build == build and set(self._survivors) <= has

    async def _kill(self, client: aio.Client, view: View, build: Build) -> None:
        """Kill a worker and the leader when a third of a build is done."""
        if build.batches and 3 * build.parsed >= build.batches:
            await self._kill_worker(client, view)
            await self._kill_leader(client)

    async def _kill_worker(self, client: aio.Client, view: View) -> None:
        """Kill the chosen worker, once, at a moment when it holds a job."""
        if self._losses.worker or self._settings.victim == "none" or len(self._workers) < 2:
            return
        holders = [name for name, count in view.held.items() if count]
        builder_wanted = self._settings.victim == "builder"
        chosen = [name for name in holders if (name == view.builder) is builder_wanted]
        if not chosen:
            return
        name = chosen[0]
        # The mirror is a little late. Frozen, the worker sends nothing more; what it sent before is
        # carried out by the time we look, so a job it holds then is one that must be done again.
        self._processes.freeze(name)
        await asyncio.sleep(SETTLE_S)
        if not await _holds(client, name):
            self._processes.thaw(name)
            return
        self._losses.worker = name
        await self._processes.kill(name)
        role = "builder and worker" if builder_wanted else "worker"
        self._display.say(f"killed -9: {role} {name}, after {view.builds[1].parsed} batches")

    async def _kill_leader(self, client: aio.Client) -> None:
        """Kill the node that leads, once, and start it again."""
        if self._losses.node is not None or len(self._nodes) < 3:
            return
        status = await client.status()
        names = {member.node: member.name for member in status.members}
        node = next((n for n in self._nodes if n.name == names.get(status.leader)), None)
        if node is None:
            return
        self._losses.node = node
        await self._processes.kill(node.name)
        self._display.say(f"killed -9: node {node.name}, which led in term {status.term}")
        await self._processes.start(node.program)
        self._display.say(f"node {node.name} is started again")

    async def _await_restarted(self, client: aio.Client) -> None:
        """Wait until the node that was killed has caught up with what the build wrote."""
        node = self._losses.node
        if node is None:
            return
        wanted = (await client.get(keys.ROOT, prefix=True, count_only=True)).revision
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    if await self._revision_of(client, node) >= wanted:
                        break
                    await asyncio.sleep(LOOK_AGAIN_S)
            self._losses.caught_up = True
            self._display.say(f"node {node.name} has caught up at revision {wanted}")

    async def _revision_of(self, client: aio.Client, node: Node) -> int:
        """Ask one node how far it is; 0 while it does not answer."""
        try:
            return (await client.status(node.client, timeout_ms=1000)).revision
        except CoordError:
            return 0

    # --- the outcome ---

    async def _check(self, view: View, first: IndexSize, second: IndexSize) -> dict[str, bool]:
        """Hold the published indexes against what was counted directly, and against the keys."""
        published = view.published
        assert published is not None
        indexed = [_size_of(one) for one in (self._first, published) if one is not None]
        digest = await asyncio.to_thread(digest_of, Path(published.path))
        copies = [view.received[name] for name in self._survivors]
        jobs = [len(build.jobs) == build.batches + 3 for build in view.builds]
        return {
            "files are those counted directly": [one.files for one in indexed]
            == [first.files, second.files],
            "terms are those counted directly": [one.terms for one in indexed]
            == [first.terms, second.terms],
            "occurrences are those counted directly": [one.occurrences for one in indexed]
            == [first.occurrences, second.occurrences],
            "every job completed once": all(jobs) and view.lost == 0,
            "the schedule fired once": len(view.builds) == 2,
            "each build was published once": view.publications == len(view.builds),
            "the file is what was published": digest == published.digest,
            "every worker received and verified it": all(copy.verified for copy in copies),
            **self._check_losses(view.builds[1].batches),
        }

    def _check_losses(self, batches: int) -> dict[str, bool]:
        """Check that who should have been killed was; a small corpus is done too soon for that."""
        checks = {}
        if len(self._nodes) >= 3:
            checks["the leader was killed"] = self._losses.node is not None
            checks["the killed node came back and caught up"] = self._losses.caught_up
        enough = batches >= 4 * len(self._workers)
        if self._settings.victim != "none" and len(self._workers) > 1 and enough:
            checks["a worker was killed while it held a job"] = bool(self._losses.worker)
        return checks

    @property
    def _survivors(self) -> Sequence[str]:
        return [name for name in self._workers if name != self._losses.worker]

    def _ask(self, view: View) -> list[Answer]:
        """Answer the queries from a worker's own copy."""
        copy = Path(view.received[self._survivors[0]].path)
        return [Answer(query, search(copy, query)) for query in QUERIES]

    def _summary(self, checks: dict[str, bool], answers: list[Answer], seconds: float) -> Summary:
        view = self._view
        published = view.published if view is not None else None
        return Summary(
            files=published.files if published else 0,
            terms=published.terms if published else 0,
            occurrences=published.occurrences if published else 0,
            jobs=len(view.jobs) if view else 0,
            retries=view.retries if view else 0,
            duplicates_refused=view.stale if view else 0,
            seconds=seconds,
            complete=bool(checks) and all(checks.values()) and not self._trouble,
            checks=checks,
            builds=len(view.builds) if view else 0,
            nodes=len(self._nodes),
            workers=len(self._workers),
            killed_node=self._losses.node.name if self._losses.node else "",
            killed_worker=self._losses.worker,
            builders=self._losses.builders,
            index=published.path if published else "",
            answers=answers,
            trouble=self._trouble,
        )


def _count_both(roots: list[keys.Root]) -> tuple[IndexSize, IndexSize]:
    """Count what each of the two builds must hold."""
    return count_directly(roots[:1]), count_directly(roots)


def _write_changes(directory: Path) -> keys.Root:
    """Write the files that are new in the second build; no other corpus has their words."""
    folder = directory / "changes"
    folder.mkdir()
    for number in range(CHANGES):
        words = " ".join(f"quokka{number}_{place}" for place in range(200))
        (folder / f"news{number:02}.txt").write_text(f"the quokka passed gate {number}: {words}\n")
    return keys.Root(str(folder), "*", "changes")


def _size_of(published: keys.Published) -> IndexSize:
    return IndexSize(published.files, published.terms, published.occurrences)


async def _holds(client: aio.Client, worker: str) -> bool:
    """Whether a worker holds a job, as the cluster has it."""
    for queue, name in ((keys.QUEUE, worker), (keys.BUILD_QUEUE, f"{worker}.builder")):
        held = await client.get(app.places.queue(queue).held_by(name), prefix=True, limit=1)
        if held.kvs:
            return True
    return False
