"""How long one step of the consensus core takes, by event: python tests/bench/raft_steps.py.

Three cores in one process, no disk and no wire: what is timed is the core alone.
"""

import gc
import random
import sys
import time
from collections import Counter, deque

from coord.ids import LogIndex
from coord.raft.core import RaftCore
from coord.raft.messages import (
    Compacted,
    Event,
    HardState,
    Membership,
    Propose,
    Read,
    Received,
    SnapshotMeta,
    Tick,
    Written,
)
from coord.raft.settings import RaftSettings, Restored

NODES = (1, 2, 3)
PROPOSALS = 6000
VALUE = b"x" * 256


class Bench:
    """Cores, the events between them, and the time of each kind of step."""

    def __init__(self) -> None:
        restored = Restored(HardState(), SnapshotMeta(0, 0, Membership(NODES)))
        self.cores = {
            node: RaftCore(
                RaftSettings(cluster=7, node=node), restored, random.Random(node).randint
            )
            for node in NODES
        }
        self.queue: deque[tuple[int, Event]] = deque()
        self.spent_ns: Counter[str] = Counter()
        self.steps: Counter[str] = Counter()

    def step(self, node: int, event: Event) -> None:
        """Time one step, and queue what it brings about."""
        core = self.cores[node]
        what = event.message if isinstance(event, Received) else event
        name = f"{'leader' if core.is_leader else 'follower':8} {type(what).__name__}"
        begin = time.perf_counter_ns()
        effects = core.step(event)
        self.spent_ns[name] += time.perf_counter_ns() - begin
        self.steps[name] += 1
        if effects.write is not None:
            self.queue.append((node, Written(effects.write.ticket)))
        for message in effects.messages:
            self.queue.append((message.to, Received(message)))

    def drain(self) -> None:
        """Step until nothing is left to do."""
        while self.queue:
            self.step(*self.queue.popleft())

    def leader(self) -> int:
        """Tick until somebody leads."""
        while True:
            for node, core in self.cores.items():
                if core.is_leader:
                    return node
                self.step(node, Tick())
            self.drain()

    def report(self, title: str, count: int) -> None:
        """Print what was measured since the last report."""
        total_us = sum(self.spent_ns.values()) / 1000
        lines = [f"{title}: {total_us / count:.1f} us on all nodes together"]
        for name in sorted(self.steps):
            mean_us = self.spent_ns[name] / self.steps[name] / 1000
            lines.append(f"  {name:28} {mean_us:6.2f} us x {self.steps[name] / count:.2f}")
        sys.stdout.write("\n".join(lines) + "\n")
        self.spent_ns.clear()
        self.steps.clear()


def main() -> None:
    """Measure proposals at some depths, and reads alone and in company."""
    bench = Bench()
    leader = bench.leader()
    gc.disable()
    for depth in (1, 8, 64):
        bench.spent_ns.clear()
        bench.steps.clear()
        for _ in range(PROPOSALS // depth):
            for _ in range(depth):
                bench.step(leader, Propose((VALUE,)))
            bench.drain()
        bench.report(f"a proposal, {depth} in flight", PROPOSALS)
        for node, core in bench.cores.items():
            bench.step(node, Compacted(LogIndex(core.commit - 1)))
    bench.steps.clear()
    bench.spent_ns.clear()
    for depth in (1, 100):
        for number in range(PROPOSALS // depth):
            for place in range(depth):
                bench.step(leader, Read(depth * PROPOSALS + number * depth + place))
            bench.drain()
        bench.report(f"a read, {depth} at a time", PROPOSALS)


if __name__ == "__main__":
    main()
