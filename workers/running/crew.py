"""A worker's child processes: started before they are needed, given jobs, limited, replaced.

User code never runs in the process that renews leases. Functions that run in a child get one
child process per slot, each running one job at a time; coroutines and threads share one process.
The crew outlives sessions; what it is doing when one is lost is killed.
"""

import asyncio
from collections.abc import Callable, Container, Iterator, Sequence
from typing import Protocol

import structlog

from workers.model.job import Job
from workers.running.child_process import ChildProcess, last_words
from workers.running.crew_settings import CrewSettings
from workers.running.echo import Echo
from workers.running.errors import AppNotLoaded
from workers.running.held_job import HeldJob
from workers.running.pace import Pace
from workers.running.wire import Begin, Cancel, Failed, Outcome, Recall, Report, Run
from workers.timer import Timer

IN_CHILD = "child"
RESTART_S = 1.0  # after a child that ended before it had done anything
STUCK_S = 0.05  # a child that runs a job for so long has what waits behind it taken back

_STOPPED = "the worker stopped"

log = structlog.get_logger("workers")


class Foreman(Protocol):
    """Who gives the crew its jobs."""

    def ended(self, held: HeldJob, outcome: Outcome) -> None:
        """Learn how an attempt ended."""
        ...

    def reported(self, held: HeldJob, report: Report) -> None:
        """Learn how far a job is."""
        ...

    def returned(self, jobs: Sequence[HeldJob]) -> None:
        """Take back jobs that were not run to an end, through no fault of theirs."""
        ...

    def room(self) -> None:
        """Learn that there may be room for more."""
        ...


class Crew:
    """The children of one worker; `foreman` is whoever works with them now."""

    def __init__(self, settings: CrewSettings, timer: Timer, pace: Pace) -> None:
        self.foreman: Foreman | None = None
        self.functions: dict[str, str] = {}
        """Where each job function runs, by name."""
        self._settings = settings
        self._timer = timer
        self._pace = pace
        self._children: list[ChildProcess] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._runs = 0
        self._echo = Echo()
        self._is_loaded = asyncio.Event()
        self._is_started = False
        self._not_loaded = ""

    # --- life ---

    async def start(self) -> None:
        """Start the children and wait until each has imported the application.

        Raises:
            AppNotLoaded: one could not.
        """
        await self._start_child(concurrent=False)
        await self._is_loaded.wait()
        await asyncio.gather(*self._tasks)
        await asyncio.gather(*(child.imported() for child in self._children))
        if self._not_loaded:
            await self.stop()
            raise AppNotLoaded(f"{self._settings.app}: {self._not_loaded}")
        self._is_started = True

    async def stop(self) -> None:
        """Kill every child and wait for its end."""
        self._stopping = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        children = list(self._children)
        for child in children:
            child.kill(_STOPPED)
        await asyncio.gather(*(child.over() for child in children))

    def restart(self) -> None:
        """Replace every child once it has ended what it runs, as when the application changed."""
        for child in list(self._children):
            self._retire(child)

    @property
    def pids(self) -> tuple[int, ...]:
        """Process ids of the children that live."""
        return tuple(child.pid for child in self._children if child.pid is not None)

    @property
    def assigned(self) -> list[HeldJob]:
        """Every job a child was given and has not answered."""
        return [held for child in self._children for held in child.assigned.values()]

    @property
    def running(self) -> int:
        """How many jobs run now."""
        return sum(
            len(child.assigned) if child.concurrent else bool(child.assigned)
            for child in self._children
        )

    @property
    def is_ready(self) -> bool:
        """Whether there is a child that can be given jobs."""
        return any(child.is_ready for child in self._children)

    @property
    def is_stalled(self) -> bool:
        """Whether all slots have been busy for a while with jobs that do not end."""
        if self.running < self._settings.slots:
            return False
        long_ago_s = asyncio.get_running_loop().time() - STUCK_S
        return all(child.busy_since_s < long_ago_s for child in self._children if child.assigned)

    def ask_for_stacks(self) -> None:
        """Have every child write where it stands to standard error."""
        for child in self._children:
            child.ask_for_stacks()

    @property
    def words(self) -> str:
        """The end of what each child wrote since its last answer."""
        return "\n".join(
            f"--- child {child.pid} ---\n{last_words(child)}" for child in self._children
        )

    # --- jobs ---

    def give(self, backlog: Iterator[HeldJob]) -> int:
        """Give jobs to children, in order, as long as there is room; return how many were taken.

        The first job there is no room for ends it: what comes after does not pass it.
        """
        given = 0
        messages: dict[ChildProcess, list[Run]] = {}
        for held in backlog:
            child = self._room_for(held.job, messages)
            if child is None:
                break
            messages.setdefault(child, []).append(self._assign(held, child))
            given += 1
        for child, runs in messages.items():
            child.send(runs)
        return given

    def cancel(self, held: HeldJob, reason: str) -> None:
        """Ask for the end of a job a child has, by force after a grace.

        `ended` tells, or `returned` when it had not been started.
        """
        child = self._child_of(held)
        if child is None:
            return
        child.send([Recall(), Cancel(held.run, reason)])
        grace_s = self._settings.cancel_grace_ms / 1000
        self._later(
            grace_s, held, lambda found: self._kill_for(found, held, f"cancelled: {reason}")
        )

    def take_back(self) -> None:
        """Take back jobs that wait behind others in a child; `returned` tells."""
        now_s = asyncio.get_running_loop().time()
        for child in self._children:
            waits = not child.concurrent and len(child.assigned) > 1
            if waits and now_s - child.busy_since_s >= STUCK_S:
                child.send([Recall()])

    def abandon(self, reason: str) -> list[HeldJob]:
        """Kill every child that runs something, and return what it had; nobody is told of those."""
        abandoned = self.assigned
        for child in self._children:
            if child.assigned:
                for held in child.assigned.values():
                    held.stop_clocks()
                child.assigned.clear()
                child.kill(reason)
        return abandoned

    def _room_for(self, job: Job, chosen: Container[ChildProcess]) -> ChildProcess | None:
        """Return a child to give a job to, if there is one; those in `chosen` get some already."""
        wanted = self.functions.get(job.name, IN_CHILD)
        slots = self._settings.slots
        if wanted != IN_CHILD:
            hosts = [child for child in self._children if child.concurrent and child.is_ready]
            return hosts[0] if hosts and self.running < slots else None
        best: ChildProcess | None = None
        for child in self._children:
            if child.concurrent or not child.is_ready:
                continue
            if best is None or len(child.assigned) < len(best.assigned):
                best = child
                if not best.assigned:
                    break
        if best is None or self._limit_reached(best):
            return None
        if not best.assigned:
            return best if self.running < slots else None
        depth = min(self._pace.depth(job.name), *self._depths(best))
        # What is given ahead is given by the handful, so that few messages are needed.
        most = depth if best in chosen else max(1, depth // 2)
        return best if len(best.assigned) < most else None

    def _limit_reached(self, child: ChildProcess) -> bool:
        most = self._settings.jobs_per_child_max
        return bool(most) and child.ended + len(child.assigned) >= most

    def _depths(self, child: ChildProcess) -> tuple[int, ...]:
        names = {held.job.name for held in child.assigned.values()}
        return tuple(self._pace.depth(name) for name in names)

    def _assign(self, held: HeldJob, child: ChildProcess) -> Run:
        self._runs += 1
        held.run = self._runs
        if child.concurrent or not child.assigned:
            child.busy_since_s = asyncio.get_running_loop().time()
            self._start_clock(held)
        child.assigned[held.run] = held
        return Run(held.run, str(held.id), held.attempt, held.kv.value)

    def _start_clock(self, held: HeldJob) -> None:
        held.started_unix_ms = self._timer.now_unix_ms()
        limit_ms = held.job.hard_limit_ms
        if limit_ms:
            cause = f"hard limit of {limit_ms} ms exceeded"
            self._later(limit_ms / 1000, held, lambda child: self._kill_for(child, held, cause))

    def _later(self, delay_s: float, held: HeldJob, do: Callable[[ChildProcess], None]) -> None:
        run = held.run

        def if_still_running() -> None:
            child = self._child_of(held)
            if child is not None and held.run == run:
                do(child)

        held.clocks.append(asyncio.get_running_loop().call_later(delay_s, if_still_running))

    def _kill_for(self, child: ChildProcess, held: HeldJob, cause: str) -> None:
        """Kill a child for what one job did; the others it had are returned."""
        if not child.concurrent and child.head is not held:
            return  # it has not been started
        others = [other for other in child.assigned.values() if other is not held]
        child.assigned = {held.run: held}
        child.kill(cause)
        self._return(others)

    def _child_of(self, held: HeldJob) -> ChildProcess | None:
        for child in self._children:
            if child.assigned.get(held.run) is held:
                return child
        return None

    # --- what children tell ---

    def loaded(self, child: ChildProcess) -> None:
        """See Employer: the first child tells what kinds of children are needed."""
        assert child.functions is not None
        first = not self._is_loaded.is_set()
        self.functions = child.functions
        kinds = {kind == IN_CHILD for kind in self.functions.values()} or {True}
        if first:
            child.concurrent = True not in kinds
        child.begin(self._begin(child.concurrent))
        if first:
            self._is_loaded.set()
            sequences = self._settings.slots if True in kinds else 0
            missing = [False] * (sequences - (not child.concurrent))
            missing += [True] * (False in kinds and not child.concurrent)
            for concurrent in missing:
                self._spawn_child(concurrent)
        self._tell_room()

    def answered(self, child: ChildProcess, held: HeldJob, outcome: Outcome) -> None:
        """See Employer."""
        held.stop_clocks()
        self._pace.note(held.job.name, outcome.took_us)
        head = child.head
        if head is not None and not child.concurrent:
            self._start_clock(head)
        most = self._settings.child_memory_bytes_max
        worn_out = self._limit_reached(child) and not child.assigned
        if worn_out or (most and outcome.rss_bytes > most):
            self._retire(child)
        if self.foreman is not None:
            self.foreman.ended(held, outcome)

    def reported(self, held: HeldJob, report: Report) -> None:
        """See Employer."""
        if self.foreman is not None:
            self.foreman.reported(held, report)

    def recalled(self, child: ChildProcess, jobs: list[HeldJob]) -> None:
        """See Employer."""
        self._return(jobs)

    def died(self, child: ChildProcess, jobs: list[HeldJob], cause: str) -> None:
        """See Employer: what ran has failed; what waited behind it has not been run."""
        self._children.remove(child)
        if child.functions is None and not self._is_started:
            self._not_loaded = cause
            self._is_loaded.set()
            return
        if child.functions is None and child.killed_for != _STOPPED:
            log.error("a child ended before it was ready", cause=cause)
        guilty = jobs if child.concurrent else jobs[:1]
        log_text = last_words(child)
        if self.foreman is not None:
            for held in guilty:
                held.stop_clocks()
                self.foreman.ended(held, Failed(held.run, 0, cause, log=log_text))
        if not child.concurrent:
            self._return(jobs[1:])
        if not self._stopping:
            # One that dies idle and new dies of something that awaits the next one, too.
            is_hopeless = not (child.ended or jobs or child.killed_for)
            delay_s = RESTART_S if child.functions is None or is_hopeless else 0.0
            if not self._has_replacement(child):
                self._spawn_child(child.concurrent, delay_s)

    def _return(self, jobs: Sequence[HeldJob]) -> None:
        for held in jobs:
            held.stop_clocks()
            held.run = 0
            held.started_unix_ms = 0
        if jobs and self.foreman is not None:
            self.foreman.returned(jobs)

    def _retire(self, child: ChildProcess) -> None:
        if not child.retiring:
            child.retire()
            self._spawn_child(child.concurrent)

    def _has_replacement(self, child: ChildProcess) -> bool:
        """Whether the others, those being started included, are as many as there should be."""
        alike = [each for each in self._children if each.concurrent == child.concurrent]
        living = len([each for each in alike if not each.retiring])
        wanted = 1 if child.concurrent else self._settings.slots
        return living + self._starting(child.concurrent) >= wanted

    def _starting(self, concurrent: bool) -> int:
        return len([task for task in self._tasks if task.get_name() == _task_name(concurrent)])

    def _begin(self, concurrent: bool) -> Begin:
        tell_rss = bool(self._settings.child_memory_bytes_max)
        return Begin(concurrent, self._settings.slots, tell_rss)

    def _spawn_child(self, concurrent: bool, delay_s: float = 0.0) -> None:
        if self._stopping:
            return

        async def start() -> None:
            if delay_s:
                await asyncio.sleep(delay_s)
            await self._start_child(concurrent=concurrent)

        task = asyncio.create_task(start(), name=_task_name(concurrent))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _start_child(self, *, concurrent: bool) -> None:
        self._children.append(
            await ChildProcess.start(
                self,
                self._echo,
                self._settings.app,
                concurrent=concurrent,
                memory_bytes_max=self._settings.child_memory_bytes_hard,
            )
        )

    def _tell_room(self) -> None:
        if self.foreman is not None:
            self.foreman.room()


def _task_name(concurrent: bool) -> str:
    return "start a host" if concurrent else "start a child"
