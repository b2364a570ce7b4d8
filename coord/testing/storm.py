"""A seeded storm over a group of bare cores: faults with checks, then calm and convergence.

Two phases, as in TigerBeetle's simulator. In the storm, messages are lost, doubled and reordered,
links are cut in one direction or both, nodes crash with any part of their unfinished writes kept,
members come and go, logs are compacted; the group's checks run after every step. Then everything
heals, and the group must elect one leader, commit a new entry, answer reads and agree.
"""

import random
from collections import Counter
from collections.abc import Callable

import attrs

from coord.ids import NodeId
from coord.raft.membership import all_nodes
from coord.raft.messages import Membership, ProposeMembership, Transfer
from coord.raft.settings import RaftSettings
from coord.testing.cores import CLUSTER, CoreGroup
from coord.testing.violation import Violation

CALM_TICKS = 400
LAST_WORDS = b"after the storm"


def storm_settings(node: int) -> RaftSettings:
    """Bounds so small that all of them are hit."""
    return RaftSettings(
        cluster=CLUSTER,
        node=node,
        election_ticks=6,
        heartbeat_ticks=2,
        append_bytes_max=60,
        append_inflight_max=4,
        append_inflight_bytes_max=200,
        uncommitted_bytes_max=400,
    )


@attrs.frozen
class Character:
    """How this storm is; each seed has its own, so that rare faults also come alone."""

    size: int
    loss: float
    doubling: float
    reorder: float
    crash: float
    cut: float
    compact: float
    change: float

    @classmethod
    def drawn(cls, luck: random.Random) -> "Character":
        """Draw a character."""
        return cls(
            size=luck.choice([1, 2, 3, 3, 3, 4, 5]),
            loss=luck.choice([0, 0.02, 0.2]),
            doubling=luck.choice([0, 0.05]),
            reorder=luck.random(),
            crash=luck.choice([0, 0.005, 0.01]),
            cut=luck.choice([0, 0.005, 0.01]),
            compact=luck.choice([0, 0.005, 0.03]),
            change=luck.choice([0, 0.003, 0.01]),
        )


class Storm:
    """One seed."""

    def __init__(self, seed: int) -> None:
        self._luck = luck = random.Random(seed)
        self._character = character = Character.drawn(luck)
        self.group = CoreGroup(character.size, draw=luck.randint, settings=storm_settings)
        self.seen: Counter[str] = Counter()
        """How often what happened, to tell a storm from a breeze."""
        rare = character
        self._rare: list[tuple[float, Callable[[], None]]] = [
            (rare.crash, self._crash),
            (0.02, self._restart),
            (rare.cut, self._cut),
            (rare.compact, self._compact),
            (rare.change, self._change_members),
            (0.003, self._transfer),
        ]
        self._common: list[tuple[float, Callable[[], None]]] = [
            (0.12, self._tick),
            (0.08, self._propose),
            (0.05, self._read),
            (0.25, self._finish_job),
            (0.50, self._move_message),
        ]

    def run(self, steps: int) -> None:
        """Storm for `steps` steps, then calm down and demand convergence.

        Raises:
            Violation: a rule was broken, or the group did not recover.
        """
        for _ in range(steps):
            self._step()
        self._calm()

    def _step(self) -> None:
        for chance, act in self._rare:
            if self._luck.random() < chance:
                act()
                return
        acts = [act for _, act in self._common]
        weights = [weight for weight, _ in self._common]
        self._luck.choices(acts, weights)[0]()

    def _alive(self) -> int:
        alive = sorted(self.group.cores)
        return self._luck.choice(alive) if alive else 0

    def _crash(self) -> None:
        if node := self._alive():
            jobs = len(self.group.disks[node].jobs)
            self.group.crash(node, self._luck.randint(0, jobs), self._luck.randint(0, 2))
            self.seen["crashes"] += 1

    def _restart(self) -> None:
        down = [node for node in self.group.nodes if node not in self.group.cores]
        if down:
            self.group.restart(self._luck.choice(down))

    def _cut(self) -> None:
        group, luck = self.group, self._luck
        if group.cut and luck.random() < 0.6:
            group.heal()
        elif luck.random() < 0.5:
            group.isolate(*luck.sample(group.nodes, luck.randint(1, len(group.nodes))))
        else:
            links = [(a, b) for a in group.nodes for b in group.nodes if a != b]
            group.cut.update(link for link in links if luck.random() < 0.3)

    def _compact(self) -> None:
        if node := self._alive():
            self.group.compact(node, self._luck.randint(0, 4))

    def _change_members(self) -> None:
        node = self._alive()
        if not node:
            return
        luck = self._luck
        now = self.group.cores[node].membership
        target = luck.choice(self.group.nodes)
        voters, learners, outgoing = set(now.voters), set(now.learners), now.outgoing
        voters.discard(target)
        learners.discard(target)
        role = luck.choice(["voter", "learner", "nobody", "as it is"])
        if role == "voter" or (role == "as it is" and target in now.voters):
            voters.add(target)
        elif role == "learner":
            learners.add(target)
        if outgoing:
            outgoing = () if luck.random() < 0.8 else outgoing
            voters, learners = set(now.voters), set(now.learners)
        elif luck.random() < 0.3:
            outgoing = now.voters
            learners -= set(outgoing)
        members = Membership(tuple(sorted(voters)), tuple(sorted(learners)), outgoing)
        proposed = self.group.step(node, ProposeMembership(members)).proposed
        assert proposed is not None
        self.seen["changes"] += proposed.first_index > 0

    def _transfer(self) -> None:
        if node := self._alive():
            target = self._luck.choice((0, *self.group.nodes))
            self.group.step(node, Transfer(NodeId(target)))

    def _tick(self) -> None:
        self.group.tick(self._alive())

    def _propose(self) -> None:
        leaders = self.group.leaders
        if leaders:
            self.seen["proposals"] += 1
            word = b"%d." % self.seen["proposals"] * self._luck.randint(1, 8)
            self.group.propose(self._luck.choice(leaders), *[word] * self._luck.randint(1, 3))

    def _read(self) -> None:
        if node := self._alive():
            self.group.read(node)

    def _finish_job(self) -> None:
        busy = [node for node in sorted(self.group.cores) if self.group.disks[node].jobs]
        if busy:
            self.group.finish_job(self._luck.choice(busy))

    def _move_message(self) -> None:
        group, luck = self.group, self._luck
        if not group.network:
            return
        is_reordered = luck.random() < self._character.reorder
        place = luck.randrange(len(group.network)) if is_reordered else 0
        if luck.random() < self._character.loss:
            del group.network[place]
        else:
            group.deliver(place, again=luck.random() < self._character.doubling)

    def _calm(self) -> None:
        group = self.group
        group.heal()
        for node in group.nodes:
            if node not in group.cores:
                group.restart(node)
        group.settle()
        group.run(CALM_TICKS)
        if len(group.leaders) != 1:
            raise Violation(f"leaders after the storm: {group.leaders}")
        (leader,) = group.leaders
        if not group.propose(leader, LAST_WORDS):
            raise Violation("the leader refuses proposals after the storm")
        members = all_nodes(group.cores[leader].membership)
        contexts = [group.read(node) for node in members]
        group.run(20)
        if group.checks.log[-1].payload != LAST_WORDS:
            raise Violation("nothing commits after the storm")
        if not all(group.answers.get(context) for context in contexts):
            raise Violation("a read is not served after the storm")
        for node in group.nodes:
            if node not in members:
                del group.cores[node]  # removed nodes may have missed what came after
        group.check_converged()
        self._count()

    def _count(self) -> None:
        checks = self.group.checks
        self.seen.update(
            leaders=checks.leaders,
            truncations=checks.truncations,
            installs=checks.installs,
            commits=checks.committed,
            reads=sum(index > 0 for index in self.group.answers.values()),
            failed_reads=sum(index == 0 for index in self.group.answers.values()),
        )
