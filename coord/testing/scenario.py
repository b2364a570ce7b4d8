"""Scenarios as text: commands, a line of dashes, then the exact trace they leave.

    nodes 3
    elect 1
    propose 1 a
    ----
    1 writes #2 2/1 "a"
    ...

A block ends at an empty line; lines that start with # explain. Running a text gives the same
text with the traces as they came out now, so that checking is comparing, and accepting a change
is writing (a person reads the difference). Everything happens on a CoreGroup with fixed luck.
"""

from collections.abc import Callable
from pathlib import Path

from coord.ids import NodeId
from coord.raft.messages import Membership, ProposeMembership, Transfer
from coord.raft.settings import RaftSettings
from coord.testing.cores import CLUSTER, CoreGroup
from coord.testing.tracing import entry_text, trace_effects

DASHES = "----"
ELECTION_TICKS = 10
HEARTBEAT_TICKS = 2


def run_text(text: str) -> str:
    """Run a scenario.

    Args:
        text: blocks of commands, dashes and traces; the traces are not looked at.

    Returns:
        The text with the traces that came out.

    Raises:
        ValueError: a command is unknown or ill-formed; names the line.
        Violation: a rule of Raft was broken.
    """
    run = _Run()
    out: list[str] = []
    in_trace = False
    for number, line in enumerate(text.splitlines(), 1):
        if in_trace:
            if line:
                continue
            in_trace = False
        out.append(line)
        if line == DASHES:
            out.extend(run.take_trace())
            in_trace = True
        elif line and not line.startswith("#"):
            try:
                run.command(line)
            except (KeyError, TypeError, IndexError) as error:
                raise ValueError(f"line {number}: {line!r}: {error!r}") from error
    return "\n".join(out) + "\n"


def check_file(path: Path, *, rewrite: bool) -> None:
    """Run a scenario file; with `rewrite` accept what comes out.

    Raises:
        AssertionError: the trace differs from the file's.
    """
    before = path.read_text()
    after = run_text(before)
    if rewrite:
        path.write_text(after)
    else:
        assert after.splitlines() == before.splitlines(), f"{path.name}: the trace differs"


class _Run:
    """One scenario under way."""

    def __init__(self) -> None:
        self._group = CoreGroup(1)
        self._trace: list[str] = []
        self._commands: dict[str, Callable[..., None]] = {
            "nodes": self._nodes,
            "elect": self._elect,
            "tick": self._tick,
            "propose": self._propose,
            "read": self._read,
            "deliver": self._deliver,
            "drop": self._drop,
            "write": self._write,
            "settle": self._settle,
            "cut": self._cut,
            "heal": self._heal,
            "crash": self._crash,
            "restart": self._restart,
            "compact": self._compact,
            "transfer": self._transfer,
            "members": self._members,
            "status": self._status,
            "log": self._log,
        }

    def command(self, line: str) -> None:
        """Carry out one line."""
        name, *words = line.split()
        places = [word for word in words if "=" not in word]
        options = dict(word.split("=", 1) for word in words if "=" in word)
        self._commands[name](*places, **options)

    def take_trace(self) -> list[str]:
        """Return the lines since the last call."""
        trace, self._trace = self._trace, []
        return trace

    def _nodes(self, count: str, voters: str = "", learners: str = "") -> None:
        size = int(count)
        named = _numbers(voters) or tuple(range(1, size + 1))
        self._group = CoreGroup(
            size,
            members=Membership(named, _numbers(learners)),
            draw=lambda low, high: min(low + 1, high),
            settings=_settings,
        )
        self._group.watch = lambda node, effects: self._trace.extend(trace_effects(node, effects))

    def _elect(self, node: str) -> None:
        """Make a node leader without tracing how."""
        before = len(self._trace)
        self._group.elect(int(node))
        del self._trace[before:]
        self._trace.append(f"{node} leads term {self._group.cores[int(node)].term}")

    def _tick(self, node: str, times: str = "1") -> None:
        self._group.tick(int(node), int(times))

    def _propose(self, node: str, *payloads: str) -> None:
        self._group.propose(int(node), *[payload.encode() for payload in payloads])

    def _read(self, node: str) -> None:
        self._group.read(int(node))

    def _matching(self, links: tuple[str, ...]) -> list[int]:
        """Places on the wire of messages on the named links ("1>2"), or all."""
        return [
            place
            for place, message in enumerate(self._group.network)
            if not links or f"{message.sender}>{message.to}" in links
        ]

    def _deliver(self, *links: str, again: str = "no", only: str = "") -> None:
        """Deliver what is on the wire now, in order; what that brings forth stays on it."""
        places = self._matching(links)
        if only:
            places = [places[int(only) - 1]]
        for done, place in enumerate(places):
            self._group.deliver(place if again == "yes" else place - done, again=again == "yes")

    def _drop(self, *links: str) -> None:
        for place in reversed(self._matching(links)):
            del self._group.network[place]

    def _write(self, node: str, count: str = "") -> None:
        jobs = self._group.disks[int(node)].jobs
        for _ in range(int(count) if count else len(jobs)):
            self._group.finish_job(int(node))

    def _settle(self) -> None:
        self._group.settle()

    def _cut(self, *links: str) -> None:
        for link in links:
            if ">" in link:
                sender, to = link.split(">")
                self._group.cut.add((int(sender), int(to)))
            else:
                self._group.isolate(int(link))

    def _heal(self) -> None:
        self._group.heal()

    def _crash(self, node: str, kept: str = "0") -> None:
        self._group.crash(int(node), int(kept))

    def _restart(self, node: str) -> None:
        self._group.restart(int(node))

    def _compact(self, node: str, keep: str = "0") -> None:
        self._group.compact(int(node), int(keep))

    def _transfer(self, node: str, to: str) -> None:
        self._group.step(int(node), Transfer(NodeId(int(to))))

    def _members(self, node: str, voters: str = "", learners: str = "", outgoing: str = "") -> None:
        members = Membership(_numbers(voters), _numbers(learners), _numbers(outgoing))
        self._group.step(int(node), ProposeMembership(members))

    def _status(self) -> None:
        for node, core in sorted(self._group.cores.items()):
            self._trace.append(
                f"{node} {core.role.name.lower()} term={core.term} leader={core.leader}"
                f" log={core.first_index}..{core.last_index}"
                f" durable={core.durable_index} commit={core.commit}"
            )

    def _log(self, node: str) -> None:
        kept = self._group.disks[int(node)].entries
        self._trace.append(f"{node} keeps " + (" ".join(entry_text(e) for e in kept) or "nothing"))


def _settings(node: int) -> RaftSettings:
    return RaftSettings(
        cluster=CLUSTER, node=node, election_ticks=ELECTION_TICKS, heartbeat_ticks=HEARTBEAT_TICKS
    )


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split(",") if word)
