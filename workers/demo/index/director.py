"""The demonstration's director: starts everything, watches, kills, and checks the outcome.

It takes no part in the build. All it knows of it comes from a mirror of the build's keys.
"""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from pathlib import Path

from attrs import Factory, define, field, frozen
from attrs.validators import ge, in_

from coord import aio
from coord.errors import CoordError
from recipes.mirror import Mirror
from workers.demo.index import keys
from workers.demo.index.count import count_directly
from workers.demo.index.display import Display
from workers.demo.index.files import digest_of
from workers.demo.index.index import IndexSize, search
from workers.demo.index.processes import Node, Processes, node_programs, worker_program
from workers.demo.index.summary import Answer, Summary
from workers.demo.index.view import View, view_of

QUERIES = ("asyncio event loop", "sqlite3 cursor execute", "zip archive extract")
VICTIMS = ("builder", "helper", "none")
PATIENCE_S = 20.0  # for a restarted node to catch up
LOOK_AGAIN_S = 0.1
SETTLE_S = 0.1


@frozen
class DemoSettings:
    """What to run.

    Attributes:
        corpus: the folder whose *.py files are indexed.
        directory: where data, logs, partial results and the index go; exists.
        nodes: members of the cluster; with at least 3, the leader is killed on the way.
        workers: worker processes; with at least 2, one is killed on the way.
        victim: which worker that is: "builder", the elected one; "helper", another; "none".
        deadline_s: seconds after which the run counts as failed.
    """

    corpus: Path
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
        self._trouble = ""

    async def run(self) -> Summary:
        """Run the whole demonstration; every process it started has ended when it returns."""
        started_s = time.monotonic()
        counting = asyncio.create_task(asyncio.to_thread(count_directly, self._settings.corpus))
        checks: dict[str, bool] = {}
        answers: list[Answer] = []
        try:
            await self._build()
            if self._view is not None and self._view.published is not None:
                checks = await self._check(self._view, self._view.published, await counting)
                answers = self._ask(self._view)
        finally:
            counting.cancel()
            await self._processes.stop(self._workers)
            await self._processes.stop()
        seconds = round(time.monotonic() - started_s, 1)
        return self._summary(checks, answers, seconds)

    # --- the run ---

    async def _build(self) -> None:
        """Start everything and follow the build to its end, its trouble or the deadline."""
        try:
            async with asyncio.timeout(self._settings.deadline_s):
                surprise = asyncio.create_task(self._processes.surprise.wait())
                running = asyncio.create_task(self._start_and_follow())
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

    async def _start_and_follow(self) -> None:
        say = self._display.say
        for node in self._nodes:
            await self._processes.start(node.program)
        endpoints = ",".join(node.client for node in self._nodes)
        say(f"cluster: {len(self._nodes)} nodes at {endpoints}")
        async with aio.connect(endpoints, timeout_ms=1000 * self._settings.deadline_s) as client:
            async with Mirror(client, keys.ROOT) as mirror:
                settings = self._settings
                for name in self._workers:
                    program = worker_program(name, endpoints, settings.corpus, settings.directory)
                    await self._processes.start(program)
                say(f"workers: {', '.join(self._workers)}; corpus {settings.corpus}")
                while not await self._look(client, view_of(mirror.keys)):
                    await mirror.change()
            say("every worker has the index")
            await self._await_restarted(client)

    async def _look(self, client: aio.Client, view: View) -> bool:
        """Take in the present state; kill when it is time; tell whether the build is over."""
        self._view = view
        self._display.show(view)
        builders = self._losses.builders
        if view.builder and builders[-1:] != [view.builder]:
            builders.append(view.builder)
        if view.plan is not None and 3 * len(view.done) >= view.plan.batches:
            await self._kill_worker(client, view)
            await self._kill_leader(client)
        survivors = set(self._workers) - {self._losses.worker}
        return view.published is not None and survivors <= view.received.keys()

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
        held = await client.get(keys.QUEUE + f"held/{name}/".encode(), prefix=True)
        if not held.kvs:
            self._processes.thaw(name)
            return
        self._losses.worker = name
        await self._processes.kill(name)
        role = "builder and worker" if builder_wanted else "worker"
        self._display.say(f"killed -9: {role} {name}, after {len(view.done)} batches")

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

    async def _check(
        self, view: View, published: keys.Published, counted: IndexSize
    ) -> dict[str, bool]:
        """Hold the published index against what was counted directly, and against the keys."""
        assert view.plan is not None
        indexed = IndexSize(published.files, published.terms, published.occurrences)
        digest = await asyncio.to_thread(digest_of, Path(published.path))
        copies = [view.received[name] for name in self._survivors]
        return {
            "files are those counted directly": indexed.files == counted.files,
            "terms are those counted directly": indexed.terms == counted.terms,
            "occurrences are those counted directly": indexed.occurrences == counted.occurrences,
            "every job completed once": len(view.done) == view.plan.batches and not view.dead,
            "published once": view.publications == 1,
            "the file is what was published": digest == published.digest,
            "every worker received and verified it": all(copy.verified for copy in copies),
            **self._check_losses(view.plan.batches),
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
            jobs=len(view.done) if view else 0,
            retries=view.retries if view else 0,
            duplicates_refused=view.stale if view else 0,
            seconds=seconds,
            complete=bool(checks) and all(checks.values()) and not self._trouble,
            checks=checks,
            nodes=len(self._nodes),
            workers=len(self._workers),
            killed_node=self._losses.node.name if self._losses.node else "",
            killed_worker=self._losses.worker,
            builders=self._losses.builders,
            index=published.path if published else "",
            answers=answers,
            trouble=self._trouble,
        )
