"""Several cores under any weather keep Raft's promises (figure 3), and recover when it ends.

The group's checks run after every step: election safety, leader append-only, log matching,
leader completeness, state machine safety, durable promises, quorums on disk, reads that miss
nothing committed before they began.
"""

from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from coord.ids import NodeId
from coord.raft.membership import all_nodes
from coord.raft.messages import Membership, ProposeMembership, Transfer
from coord.testing.cores import CoreGroup
from coord.testing.storm import Storm, storm_settings

STEPS = 2500
ANY = st.integers(0, 1_000_000)


class GroupMachine(RuleBasedStateMachine):
    """Hypothesis holds wires, disks and plugs; shrinking gives a short story."""

    def __init__(self) -> None:
        super().__init__()
        self.group = CoreGroup(3)

    @initialize(size=st.sampled_from([1, 2, 3, 3, 3, 5]))
    def start(self, size: int) -> None:
        draws = iter(range(10**9))
        self.group = CoreGroup(
            size, draw=lambda low, high: low + next(draws) * 7 % (high - low + 1),
            settings=storm_settings,
        )  # fmt: skip

    def pick(self, number: int) -> int:
        alive = sorted(self.group.cores)
        return alive[number % len(alive)]

    @rule(number=ANY, times=st.integers(1, 14))
    @precondition(lambda self: self.group.cores)
    def tick(self, number: int, times: int) -> None:
        self.group.tick(self.pick(number), times)

    @rule(number=ANY, again=st.booleans())
    @precondition(lambda self: self.group.network)
    def deliver(self, number: int, again: bool) -> None:
        self.group.deliver(number % len(self.group.network), again=again)

    @rule(count=st.integers(1, 10))
    @precondition(lambda self: self.group.network)
    def deliver_in_order(self, count: int) -> None:
        for _ in range(min(count, len(self.group.network))):
            self.group.deliver()

    @rule(number=ANY)
    @precondition(lambda self: self.group.network)
    def lose(self, number: int) -> None:
        del self.group.network[number % len(self.group.network)]

    @rule(number=ANY)
    @precondition(lambda self: any(self.group.disks[n].jobs for n in self.group.cores))
    def finish_job(self, number: int) -> None:
        busy = [node for node in sorted(self.group.cores) if self.group.disks[node].jobs]
        self.group.finish_job(busy[number % len(busy)])

    @rule()
    def settle(self) -> None:
        self.group.settle()

    @rule(payload=st.binary(min_size=1, max_size=30))
    @precondition(lambda self: self.group.leaders)
    def propose(self, payload: bytes) -> None:
        for leader in self.group.leaders:
            self.group.propose(leader, payload)

    @rule(number=ANY)
    @precondition(lambda self: self.group.cores)
    def read(self, number: int) -> None:
        self.group.read(self.pick(number))

    @rule(number=ANY, jobs=st.integers(0, 3), entries=st.integers(0, 2))
    @precondition(lambda self: self.group.cores)
    def crash(self, number: int, jobs: int, entries: int) -> None:
        self.group.crash(self.pick(number), jobs, entries)

    @rule()
    def restart_all(self) -> None:
        for node in self.group.nodes:
            if node not in self.group.cores:
                self.group.restart(node)

    @rule(number=ANY, sender=ANY, both=st.booleans())
    def cut(self, number: int, sender: int, both: bool) -> None:
        nodes = self.group.nodes
        a, b = nodes[number % len(nodes)], nodes[sender % len(nodes)]
        self.group.cut.update({(a, b), (b, a)} if both else {(a, b)})

    @rule()
    def heal(self) -> None:
        self.group.heal()

    @rule(number=ANY, keep=st.integers(0, 2))
    @precondition(lambda self: self.group.cores)
    def compact(self, number: int, keep: int) -> None:
        self.group.compact(self.pick(number), keep)

    @rule(number=ANY)
    @precondition(lambda self: self.group.leaders)
    def transfer(self, number: int) -> None:
        for leader in self.group.leaders:
            self.group.step(leader, Transfer(NodeId(number % (len(self.group.nodes) + 1))))

    @rule(out=ANY)
    @precondition(lambda self: self.group.leaders)
    def demote_one(self, out: int) -> None:
        for leader in self.group.leaders:
            members = self.group.cores[leader].membership
            node = members.voters[out % len(members.voters)]
            voters = tuple(voter for voter in members.voters if voter != node)
            learners = tuple(sorted({*members.learners, node}))
            self.group.step(leader, ProposeMembership(Membership(voters, learners)))

    @rule()
    @precondition(lambda self: self.group.leaders)
    def promote_all(self) -> None:
        for leader in self.group.leaders:
            for learner in self.group.cores[leader].membership.learners:
                members = self.group.cores[leader].membership
                voters = tuple(sorted({*members.voters, learner}))
                learners = tuple(node for node in members.learners if node != learner)
                self.group.step(leader, ProposeMembership(Membership(voters, learners)))

    def teardown(self) -> None:
        """Heal, and demand one leader, a commit and agreement."""
        group = self.group
        group.heal()
        self.restart_all()
        group.settle()
        group.run(300)
        (leader,) = group.leaders
        assert group.propose(leader, b"end")
        group.run(10)
        assert group.checks.log[-1].payload == b"end"
        members = all_nodes(group.cores[leader].membership)
        assert members == group.nodes
        group.check_converged()


TestAnyStory = GroupMachine.TestCase
TestAnyStory.settings = settings(max_examples=40, stateful_step_count=50, deadline=None)


def test_storms_break_no_promise_and_are_survived() -> None:
    seen: Counter[str] = Counter()
    for seed in range(40):
        storm = Storm(seed)
        storm.run(STEPS)
        seen += storm.seen
    rare = ("leaders", "truncations", "installs", "crashes", "changes", "reads", "failed_reads")
    assert [what for what in rare if not seen[what]] == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1000, 1400))
def test_more_storms_break_no_promise_and_are_survived(seed: int) -> None:
    Storm(seed).run(4 * STEPS)


def test_the_same_seed_gives_the_same_storm() -> None:
    ends = []
    for _ in range(2):
        storm = Storm(6)
        storm.run(STEPS)
        ends.append((storm.seen, storm.group.checks.log))
    assert ends[0] == ends[1]
