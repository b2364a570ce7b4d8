"""A machine of the campaign: one process with some programs, stopped, killed and started again."""

import asyncio
from collections.abc import Callable, Sequence
from random import Random

import attrs

from coord.client.client import Client
from coord.client.settings import Settings
from coord.testing.lease_checks import SessionRecord
from coord.testing.process import Process
from coord.testing.schedule import Schedule
from coord.testing.violation import Violation
from coord.testing.watch_checks import WatchRecord
from recipes.testing.actor import Actor, Oracle, Program
from recipes.testing.journal import Journal

_TIMEOUTS_MS = (300.0, 1_000.0, 2_500.0)


@attrs.frozen(kw_only=True)
class Manners:
    """How the processes of one run live. Rates are per second of virtual time, for each.

    Attributes:
        players: how many there are.
        ttl_ms: of every session.
        think_ms: mean pause of a program.
        kills: how often a process is killed; another one takes its place a while later.
        pauses: how often it is stopped, up to twice its time to live.
        pace: how far its clock may be off.
    """

    players: int = 3
    ttl_ms: int = 1_000
    think_ms: float = 20.0
    kills: float = 0.0
    pauses: float = 0.0
    pace: float = 0.0


class Player:
    """See coord.testing.world.Application.

    Args:
        name: of its host in the network.
        schedule: time and luck.
        make_process: starts a process: name of its luck, settings, pace, main.
        addresses: of the nodes.
        manners: how it lives.
        programs: what it runs, by name.
        journal: the run's.
        oracle: see Actor.
    """

    def __init__(
        self,
        name: str,
        schedule: Schedule,
        make_process: Callable[..., Process],
        addresses: Sequence[str],
        manners: Manners,
        programs: Sequence[tuple[str, Program]],
        journal: Journal,
        oracle: Oracle,
    ) -> None:
        self.name = name
        self.watches: list[WatchRecord] = []
        self.restarts = self.forgeries = self.pauses = 0
        self._schedule = schedule
        self._make_process = make_process
        self._manners = manners
        self._programs = programs
        self._journal = journal
        self._oracle = oracle
        self._luck: Random = schedule.stream(f"player {name}")
        self._pace = self._luck.uniform(1 - manners.pace, 1 + manners.pace)
        self._addresses = list(addresses)
        self._processes: list[Process] = []
        self._stopping = False

    # --- as the world sees it ---------------------------------------------------------------

    @property
    def sessions(self) -> list[SessionRecord]:
        """Every session its processes had."""
        return [session for process in self._processes for session in process.sessions]

    def start(self) -> None:
        """Start the process, and let blows fall on it."""
        self._begin()
        self._later(self._manners.kills, self._kill)
        self._later(self._manners.pauses, self._pause)

    def stop_asking(self) -> None:
        """Let its programs come to an end."""
        self._stopping = True
        self._processes[-1].resume()
        if self._processes[-1].ended:
            self._begin()

    @property
    def quiet(self) -> bool:
        """Whether they have."""
        return self._stopping and self._processes[-1].ended

    def watches_behind(self, revision: int) -> list[WatchRecord]:
        """None: programs are judged by what they do with their watches."""
        return []

    @property
    def at_work(self) -> list[str]:
        """Which programs have not ended."""
        return [] if self._processes[-1].ended else self._processes[-1].tasks

    def kill(self) -> None:
        """End it for good."""
        self._stopping = True
        for process in self._processes:
            process.kill()

    # --- its process ------------------------------------------------------------------------

    def _begin(self) -> None:
        luck = self._luck
        settings = Settings(
            endpoints=tuple(luck.sample(self._addresses, len(self._addresses))),
            timeout_ms=luck.choice(_TIMEOUTS_MS),
            read_from="leader" if luck.random() < 0.25 else "any",
            attempt_ms=300.0,
            heartbeat_ms=300.0,
            silence_ms=900.0,
            draw=luck.randint,
        )
        number = len(self._processes) + 1

        async def main(client: Client) -> None:
            tasks = []
            for name, program in self._programs:
                actor = self._actor(client, f"{self.name}.{number}.{name}")
                tasks.append(asyncio.create_task(_act(program, actor), name=actor.name))
            await asyncio.gather(*tasks)

        self._processes.append(self._make_process(self.name, settings, self._pace, main))

    def _actor(self, client: Client, name: str) -> Actor:
        process = self._processes[-1]
        return Actor(
            name,
            client,
            process,
            self._schedule.stream(f"actor {name}"),
            self._journal,
            self._manners.think_ms,
            self._manners.ttl_ms,
            lambda: self._stopping,
            self._oracle,
        )

    def _later(self, rate: float, blow: Callable[[], None]) -> None:
        if not rate:
            return

        def strike() -> None:
            if not self._stopping:
                blow()
                self._later(rate, blow)

        self._schedule.after(self._luck.expovariate(rate / 1_000.0), strike)

    def _kill(self) -> None:
        process = self._processes[-1]
        if process.ended:
            return
        process.kill()
        if process.left:
            raise Violation(f"{self.name}, cancelled, does not end: {process.left}")
        self.restarts += 1
        down_ms = self._luck.choice((1.0, 200.0, 2.0 * self._manners.ttl_ms))
        self._schedule.after(down_ms, lambda: None if self._stopping else self._begin())

    def _pause(self) -> None:
        process = self._processes[-1]
        if process.ended or process.paused:
            return
        self.pauses += 1
        process.pause()
        last_ms = self._luck.choice((0.05, 0.3, 1.2, 2.0)) * self._manners.ttl_ms
        self._schedule.after(last_ms, process.resume)


async def _act(program: Program, actor: Actor) -> None:
    await program(actor)
