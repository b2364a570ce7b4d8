"""A whole cluster with its clients on one thread: real nodes, real log, real client cores.

A run has two parts. First everything goes wrong that the plan says, and what must always hold is
checked at every step. Then the world is healed, clients finish, and the cluster must come to
rest: one leader, all nodes equal, nobody waiting. What clients saw is judged at the end.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from coord.codec import decode_batch
from coord.ids import ClusterId, NodeId
from coord.node.driver import Node
from coord.node.settings import NodeSettings
from coord.raft.messages import Entry, EntryKind
from coord.requests import Range, RangeReply
from coord.store.machine import Store
from coord.testing.clients import SimClient
from coord.testing.faults import Fault, Swarm
from coord.testing.history import History
from coord.testing.history_checks import check_history, check_registers
from coord.testing.host import Host, Ports, client_address, peer_address
from coord.testing.invariants import RaftChecks
from coord.testing.lease_checks import (
    LeaseBook,
    SessionRecord,
    check_claims,
    check_lease_ends,
    check_sessions,
    check_true_time,
)
from coord.testing.linearizability import Verdict
from coord.testing.machine import WalMachine
from coord.testing.nemesis import Nemesis
from coord.testing.replay import Replay
from coord.testing.schedule import Schedule, Trace
from coord.testing.store_checks import StoreChecks
from coord.testing.violation import Violation
from coord.testing.watch_checks import Truth, WatchRecord, check_watch
from coord.testing.weather import STILL, weather_of
from coord.testing.workload import CLAIMS, QUEUE
from coord.wal.identity import Identity
from transport.memory import MemoryNetwork
from transport.settings import LinkSettings

CLUSTER = ClusterId(7)
_SETTLE_MS = 120_000.0  # so long a client of the smallest window may read a long backlog


class Application(Protocol):
    """What uses the cluster; in general a coord.testing.clients.SimClient."""

    name: str
    watches: list[WatchRecord]
    restarts: int
    forgeries: int

    @property
    def sessions(self) -> list[SessionRecord]:
        """Every lease it kept alive."""
        ...

    def start(self) -> None:
        """Begin to work."""
        ...

    def stop_asking(self) -> None:
        """Come to an end, now that all is well."""
        ...

    @property
    def quiet(self) -> bool:
        """Whether it has come to its end."""
        ...

    def watches_behind(self, revision: int) -> list[WatchRecord]:
        """The watches that go on and have not been told to be complete to `revision`."""
        ...


class World:
    """One cluster, its clients, and what goes wrong."""

    FINISH_MS = 8_000.0
    """How long after healing clients may still wait for something."""

    def __init__(self, seed: int, swarm: Swarm, trace: Trace | None = None) -> None:
        self.schedule = Schedule(seed, trace)
        self.swarm = swarm
        self.history = History()
        numbers = range(1, swarm.nodes + 1)
        self.checks = RaftChecks(numbers)
        self.store_checks = StoreChecks()
        self.network = MemoryNetwork(
            self.schedule,
            self.schedule.stream("network"),
            weather_of(swarm),
            client_settings=LinkSettings(
                queue_messages=swarm.client_queue,
                heartbeat_ms=100,
                heartbeat_timeout_ms=400,
                reconnect_ms=20,
            ),
        )
        self.hosts: list[Host[Node, WalMachine]] = [self._host(number) for number in numbers]
        addresses = [client_address(number) for number in numbers]
        self.clients = self._applications(addresses)
        names = [client.name for client in self.clients]
        self.nemesis = Nemesis(self.schedule, self.network, self.hosts, names)
        self.replay = Replay()
        self.verdicts: Counter[Verdict] = Counter()
        self.lease_ends = self.claims = self.returned = self.sessions_lost = 0

    def run(self, plan: tuple[Fault, ...]) -> None:
        """Run with faults, then heal and demand rest.

        Raises:
            Violation: something that must hold did not.
        """
        for host in self.hosts:
            host.start()
        for client in self.clients:
            client.start()
        self.nemesis.follow(plan)
        while self.schedule.step(self.swarm.fault_ms):
            pass
        self.heal()
        self._await_quiet()
        self._await_rest()
        self.judge()

    def judge(self) -> None:
        """Hold everything clients were told against the replayed log."""
        replay = self.replay = Replay.of(self.checks.log)
        self._compare_with(replay)
        check_history(self.history, replay)
        self.verdicts = check_registers(self.history)
        truth = Truth(replay.events, replay.store.revision, frozenset(replay.compactions))
        for client in self.clients:
            for record in client.watches:
                check_watch(record, truth, healed=True)
        book = LeaseBook(effect for effects in replay.effects.values() for effect in effects)
        self.lease_ends = check_lease_ends(replay, book)
        check_true_time(self.history.calls, replay, self.store_checks.seen_ms)
        sessions = [session for client in self.clients for session in client.sessions]
        self.sessions_lost = check_sessions(sessions, replay, self.store_checks.seen_ms)
        self.claims, self.returned = check_claims(replay.events, QUEUE, CLAIMS)

    def _compare_with(self, replay: Replay) -> None:
        """A node's store at rest is what the dumb store makes of the log."""
        node = self.hosts[0].process
        assert node is not None
        everything = node.store.read(Range(b"\0", b"\0"))
        assert isinstance(everything, RangeReply)
        if node.store.digest() != fresh_digest(self.checks.log):
            raise Violation("store: after crashes and snapshots it is not what the log makes anew")
        keys = replay.store.keys
        if everything.kvs != tuple(keys[key] for key in sorted(keys)):
            raise Violation(f"store: node has {everything.kvs}, the log says {keys}")
        if everything.revision != replay.store.revision:
            raise Violation(f"store: revision {everything.revision}, not {replay.store.revision}")

    def heal(self) -> None:
        """End all faults; clients finish what they wait for and ask nothing more."""
        self.schedule.note("heal")
        self.nemesis.leave()
        self.network.set_weather(STILL)
        for client in self.clients:
            client.stop_asking()

    def _await_quiet(self) -> None:
        end_ms = self.schedule.now_ms + self.FINISH_MS
        while self.schedule.step(end_ms):
            if all(client.quiet for client in self.clients):
                return
        waiting = [client.name for client in self.clients if not client.quiet]
        raise Violation(f"liveness: {waiting} still wait {self.FINISH_MS} ms after healing")

    def _await_rest(self) -> None:
        end_ms = self.schedule.now_ms + _SETTLE_MS
        while self.schedule.step(end_ms):
            if self.schedule.steps % 16 == 0 and self._at_rest():
                return
        raise Violation(f"liveness: {self._standing()} {_SETTLE_MS} ms after the last request")

    def _at_rest(self) -> bool:
        nodes = [host.process for host in self.hosts]
        live = [node for node in nodes if node is not None]
        if len(live) < len(nodes) or sum(node.serves for node in live) != 1:
            return False
        if len({node.applied_index for node in live}) != 1:
            return False
        store = live[0].store
        if store.lease_count or live[0].applied_index != live[0].core.last_index:
            return False
        if any(client.watches_behind(int(store.revision)) for client in self.clients):
            return False
        for host, node in zip(self.hosts, live, strict=True):
            self.store_checks.compare(host.id, node.store)
        return True

    def _standing(self) -> str:
        told = []
        for host in self.hosts:
            node = host.process
            if node is None:
                told.append(f"node {host.id} is down")
            else:
                core = node.core
                told.append(
                    f"node {host.id}: {core.role.name} term {core.term} last {core.last_index}"
                    f" commit {core.commit} applied {node.applied_index}"
                    f" revision {node.store.revision} leases {node.store.lease_count}"
                )
        behind = [client.name for client in self.clients if client.watches_behind(1 << 60)]
        return "; ".join(told) + f"; watches of {behind}"

    def _applications(self, addresses: list[str]) -> Sequence[Application]:
        """Make what uses the cluster; called once, when the rest of the world is there."""
        return [
            SimClient(f"c{n}", self.schedule, self.network, addresses, self.swarm, self.history)
            for n in range(1, self.swarm.clients + 1)
        ]

    def _host(self, number: int) -> Host[Node, WalMachine]:
        swarm = self.swarm
        holder: list[Host[Any, Any]] = []
        machine = WalMachine(
            self.schedule,
            Identity(CLUSTER, NodeId(number)),
            swarm.sync_min_ms,
            swarm.sync_mean_ms,
            broken=lambda: holder[0].crash(),
        )
        settings = node_settings(number, swarm)

        def build(ports: Ports) -> Node:
            return Node(
                settings,
                ports.storage,
                ports.peers,
                ports.clients,
                ports.clock,
                ports.draw,
                ports.report,
            )

        host = Host(
            number,
            self.schedule,
            self.network,
            self.checks,
            machine,
            swarm.drift[number - 1] if swarm.drift else 1.0,
            build,
            self._observe,
            self._glimpse,
        )
        holder.append(host)
        return host

    def _observe(self, host: Host[Node, WalMachine]) -> None:
        node = host.process
        assert node is not None
        self.store_checks.observe(host.id, node.store, self.schedule.now_ms)

    def _glimpse(self, host: Host[Node, WalMachine]) -> None:
        """What a dying node showed its clients must count as seen."""
        assert host.process is not None
        self.store_checks.glimpse(host.process.store, self.schedule.now_ms)


def fresh_digest(log: Iterable[Entry]) -> bytes:
    """Return the digest of a store that applied the whole log without a crash or a snapshot."""
    store = Store()
    for entry in log:
        if entry.kind is EntryKind.NORMAL:
            store.apply(entry.index, decode_batch(entry.payload))
    return store.digest()


def node_settings(number: int, swarm: Swarm) -> NodeSettings:
    """Return small bounds, so that in seconds everything happens that takes hours in life."""
    return NodeSettings(
        cluster=CLUSTER,
        node=NodeId(number),
        name=f"n{number}",
        client_address=client_address(number),
        members={n: (f"n{n}", peer_address(n)) for n in range(1, swarm.nodes + 1)},
        tick_ms=10,
        heartbeat_ticks=4,
        election_ticks=20,
        append_bytes_max=2_000,
        append_inflight_max=8,
        proposals_bytes_max=swarm.proposals_bytes_max,
        log_bytes_in_memory=swarm.log_bytes_in_memory,
        snapshot_log_bytes=swarm.snapshot_log_bytes,
        snapshot_chunk_bytes=6_000,
        history_revisions=swarm.history_revisions,
        disk_reserve_bytes=1_000_000,
        drain_bytes_max=8_000,
        drain_frames_max=64,
        apply_slice_entries=16,
        apply_slice_ops=24,
        request_timeout_ms=1_500,
        watch_window_bytes=8_000,
        watch_batch_bytes_max=2_000,
        watch_frame_bytes_max=3_000,
        watch_silence_ms=2_000,
        watch_batch_revisions_max=50,
        watch_progress_ms=300,
    )
