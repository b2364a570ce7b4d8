"""Who is hit, and how: workers, their children, the steward's worker, the leader of the cluster."""

import asyncio
import contextlib
import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from enum import Enum
from random import Random

from coord import aio
from coord.errors import CoordError
from coord.testing.local_cluster import LocalProcesses
from recipes.election import Election
from workers.chaos.fleet import Fleet, Member
from workers.chaos.plan import Plan
from workers.model.places import Places

LEADER_PAUSE_S = 2.0


class Hit(Enum):
    """Ways to hit a process."""

    KILL_WORKER = "workers killed"
    STOP_WORKER = "workers stopped past their lease"
    KILL_CHILD = "children killed"
    KILL_STEWARD = "stewards killed"
    STOP_STEWARD = "stewards stopped past their lease"
    KILL_LEADER = "leader nodes killed"
    STOP_LEADER = "leader nodes stopped"


_WEIGHTS = {
    Hit.KILL_WORKER: 5, Hit.STOP_WORKER: 3, Hit.KILL_CHILD: 3, Hit.KILL_STEWARD: 2,
    Hit.STOP_STEWARD: 2, Hit.KILL_LEADER: 2, Hit.STOP_LEADER: 1,
}  # fmt: skip


class Nemesis:
    """Hits a process every now and then, in an order drawn from the seed."""

    def __init__(
        self,
        plan: Plan,
        cluster: LocalProcesses,
        fleet: Fleet,
        client: aio.Client,
        say: Callable[[str], None],
    ) -> None:
        self.hits: Counter[Hit] = Counter()
        self.killed_s: dict[str, float] = {}
        """When workers were killed or stopped, by name; monotonic."""
        self._plan = plan
        self._cluster = cluster
        self._fleet = fleet
        self._client = client
        self._say = say
        self._luck = Random(plan.seed)
        self._continuing: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Hit until the plan's time is over; then all that is stopped goes on."""
        began_s = time.monotonic()
        order = [hit for hit, weight in _WEIGHTS.items() for _ in range(weight)]
        self._luck.shuffle(order)
        number = 0
        while True:
            number += 1
            next_s = began_s + number * self._plan.hit_every_s
            if next_s > began_s + self._plan.seconds:
                break
            await asyncio.sleep(max(0.0, next_s - time.monotonic()))
            await self._hit(order[number % len(order)])
        await asyncio.gather(*self._continuing)

    async def _hit(self, hit: Hit) -> None:
        name = None
        match hit:
            case Hit.KILL_LEADER | Hit.STOP_LEADER:
                name = await self._hit_leader(stop=hit is Hit.STOP_LEADER)
            case Hit.KILL_STEWARD | Hit.STOP_STEWARD:
                member = await self._steward()
                if member is not None:
                    name = self._hit_worker(member, stop=hit is Hit.STOP_STEWARD)
            case Hit.KILL_WORKER | Hit.STOP_WORKER:
                member = self._any()
                if member is not None:
                    name = self._hit_worker(member, stop=hit is Hit.STOP_WORKER)
            case Hit.KILL_CHILD:
                name = self._kill_child()
        if name is not None:
            self.hits[hit] += 1
            self._say(f"{hit.value}: {name}")

    def _any(self) -> Member | None:
        """Draw a worker that runs; two at least go on."""
        running = [each for each in self._fleet.members if each.is_alive and not each.stopped]
        return self._luck.choice(running) if len(running) > 2 else None

    async def _steward(self) -> Member | None:
        leader = None
        with contextlib.suppress(CoordError):
            leader = await Election(self._client, Places().steward).leader()
        if leader is None:
            return None
        name = leader.value.decode()
        found = (each for each in self._fleet.members if each.name == name and not each.stopped)
        return next(found, None)

    def _hit_worker(self, member: Member, *, stop: bool) -> str:
        self.killed_s[member.name] = time.monotonic()
        if not stop:
            self._fleet.kill(member)
            return member.name
        self._fleet.stop(member)
        task = asyncio.create_task(self._go_on(member, self._plan.ttl_s * 2))
        self._continuing.add(task)
        task.add_done_callback(self._continuing.discard)
        return member.name

    async def _go_on(self, member: Member, after_s: float) -> None:
        await asyncio.sleep(after_s)
        self._fleet.go_on(member)

    def _kill_child(self) -> str | None:
        member = self._any()
        children = member.children if member else []
        if not children:
            return None
        child = self._luck.choice(children)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        assert member is not None
        return member.name

    async def _hit_leader(self, *, stop: bool) -> str | None:
        try:
            status = await self._client.status()
        except CoordError:
            return None
        names = {member.node: member.name for member in status.members}
        name = names.get(status.leader, "")
        pid = self._cluster.pid(name) if name else None
        if pid is None:
            return None
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP if stop else signal.SIGKILL)
            if stop:
                await asyncio.sleep(LEADER_PAUSE_S)
                os.kill(pid, signal.SIGCONT)
        return name
