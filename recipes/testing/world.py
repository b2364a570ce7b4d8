"""A simulated cluster whose applications are programs made of recipes.

Nodes, network, faults and the checks of the log are those of coord.testing. What is added: the
processes, what falls on them, and what recipes promise, judged when all has come to rest.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from coord.client import ops
from coord.client.settings import Settings
from coord.requests import RangeReply
from coord.testing.clients import SimClient
from coord.testing.faults import Fault, Swarm
from coord.testing.process import Main, Process
from coord.testing.schedule import Trace
from coord.testing.violation import Violation
from coord.testing.world import Application, World
from recipes.testing.cast import Part
from recipes.testing.hold_checks import Told
from recipes.testing.journal import Journal
from recipes.testing.luck import seeded
from recipes.testing.player import Manners, Player


class RecipeWorld(World):
    """One cluster, processes that run some of the recipes, and what goes wrong.

    Args:
        seed: of all luck.
        swarm: character of the cluster and its faults; `clients` ask at random, beside the rest.
        manners: how the processes live.
        parts: which recipes they run.
        trace: what happened goes here.
    """

    FINISH_MS = 30_000.0

    def __init__(
        self,
        seed: int,
        swarm: Swarm,
        manners: Manners,
        parts: Sequence[Part],
        trace: Trace | None = None,
    ) -> None:
        self.journal = Journal()
        self.players: list[Player] = []
        self.parts = parts
        self._manners = manners
        super().__init__(seed, swarm, trace)

    def run(self, plan: tuple[Fault, ...]) -> None:
        """Run with faults, heal, demand rest and judge; see World."""
        try:
            with seeded(self.schedule):
                super().run(plan)
        except Violation as violation:
            raise Violation(f"{violation}{self._unfinished()}") from violation
        finally:
            for player in self.players:
                player.kill()

    def judge(self) -> None:
        """Judge the cluster, then the recipes."""
        super().judge()
        sessions = {s.lease: s for player in self.players for s in player.sessions}
        told = Told(self.replay.events, self.store_checks.seen_ms, sessions, self.journal)
        for part in self.parts:
            self.journal.counts.update(Counter(part.check(told)))

    # --- as programs' oracle ----------------------------------------------------------------

    @property
    def revision(self) -> int:
        """The newest revision of any node."""
        return max((int(store.revision) for store in self._stores()), default=0)

    def keys(self, prefix: bytes) -> int | None:
        """How many keys there are under a prefix, in the newest store; None: every node is down."""
        stores = self._stores()
        if not stores:
            return None
        newest = max(stores, key=lambda store: store.revision)
        reply = newest.read(ops.get(prefix, prefix=True, count_only=True))
        assert isinstance(reply, RangeReply)
        return reply.count

    def _stores(self) -> list[Any]:
        nodes = [host.process for host in self.hosts]
        return [node.store for node in nodes if node is not None]

    # --- what lives in it -------------------------------------------------------------------

    def _applications(self, addresses: list[str]) -> Sequence[Application]:
        clients: list[Application] = [
            SimClient(f"c{n}", self.schedule, self.network, addresses, self.swarm, self.history)
            for n in range(1, self.swarm.clients + 1)
        ]
        luck = self.schedule.stream("cast")
        for number in range(1, self._manners.players + 1):
            player = Player(
                f"p{number}",
                self.schedule,
                self._process,
                addresses,
                self._manners,
                [
                    program
                    for part in self.parts
                    for program in part.draw(luck, is_first=number == 1)
                ],
                self.journal,
                self,
            )
            self.players.append(player)
        return [*clients, *self.players]

    def _process(self, name: str, settings: Settings, pace: float, main: Main) -> Process:
        return Process(name, self.schedule, self.network, settings, pace, main)

    def _unfinished(self) -> str:
        waiting = [f"{player.name}: {player.at_work}" for player in self.players if player.at_work]
        return "; at work: " + ", ".join(waiting) if waiting else ""
