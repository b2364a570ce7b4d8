"""One node: the loop in which consensus, store, disk and clients meet.

turn() takes what has arrived from disk, peers and clients, steps the core, applies what is
committed and answers. It never waits and reads no clock but the one it was given, so the same
loop runs in production (coord.node.serve) and in the simulator (coord.testing).

The order within a turn is a promise to latency: finished disk writes first (they release acks
and answers), then peers, then clients (whose writes become one proposal), then applying.
"""

from collections.abc import Callable, Iterator

from coord.clock import Clock
from coord.errors import ProtocolError
from coord.ids import LogIndex, NodeId
from coord.node.answering import Answering
from coord.node.applying import Applying
from coord.node.chores import Chores, internal_frame
from coord.node.cluster_time import ClusterTime
from coord.node.consensus import Consensus
from coord.node.directory import Directory
from coord.node.intake import Intake, Report
from coord.node.outbox import Outbox
from coord.node.peers import Forward, ForwardRejected, Introduce, peer_frames
from coord.node.proposing import Proposing
from coord.node.reads import Reads
from coord.node.saving import Saving
from coord.node.settings import NodeSettings
from coord.node.streams import Streams
from coord.node.writes import Drain, Writes
from coord.raft.core import RaftCore
from coord.raft.messages import (
    Compacted,
    Membership,
    Received,
    Role,
    SnapshotAvailable,
    SnapshotInstalled,
    SnapshotMeta,
    Tick,
    Transfer,
)
from coord.raft.settings import RaftSettings, Restored
from coord.store.machine import Store
from coord.store.restore import SnapshotLoader
from coord.wal.port import SnapshotSaved, Storage
from transport.base import ClientListener, PeerTransport

_PEER_MESSAGES_PER_TURN = 512
_TICKS_PER_TURN_MAX = 3  # after a pause, messages are heard before time is made up for
_INTRODUCE_TICKS = 50
_TIDY_ITEMS = 500
_LAGGING_WAKE_MS = 1.0  # between two slices of a watch that catches up


def load_store(chunks: Iterator[bytes]) -> Store:
    """Build a store from the chunks of a snapshot.

    Raises:
        ProtocolError: the chunks are not a snapshot.
    """
    loader = SnapshotLoader()
    for chunk in chunks:
        loader.feed(chunk)
    return loader.finish()


class Node:
    """One member of a cluster, over the ports it is given."""

    def __init__(
        self,
        settings: NodeSettings,
        storage: Storage,
        peers: PeerTransport,
        clients: ClientListener,
        clock: Clock,
        draw: Callable[[int, int], int],
        report: Report,
    ) -> None:
        """Bring a node up to where its disk says it was; nothing is sent before turn().

        Args:
            settings: who it is; must match the identity the storage was opened with.
            storage: opened and recovered.
            peers: bound; the peers are connected here.
            clients: bound.
            clock: the node's only source of time.
            draw: a random int between two bounds, inclusive; election timeouts, contexts.
            report: takes an event name and fields, for the log.
        """
        self._settings = settings
        self._storage = storage
        self._peers = peers
        self._clients = clients
        self._clock = clock
        self._report = report
        recovered = storage.recovered
        bootstrap = Membership(voters=tuple(sorted(settings.members)))
        meta = recovered.snapshot or SnapshotMeta(0, 0, bootstrap)
        store = load_store(storage.open_snapshot()) if recovered.snapshot else Store()
        restored = Restored(recovered.hard_state, meta, recovered.entries)
        core = RaftCore(_raft_settings(settings), restored, draw)
        self._directory = Directory(settings)
        outbox = Outbox(clients, settings.answer_window_bytes, settings.clients_max)
        self._writes = Writes(outbox, settings.reply_bytes_max)
        self._streams = Streams(settings, clients)
        self._time = ClusterTime()
        self._time.restart(store.time_ms, clock.now_ms())
        self._chores = Chores(settings)
        self._consensus = Consensus(core, storage, peers)
        self._applying = Applying(store, meta, self._consensus, self._writes, self._streams)
        self._saving = Saving(settings, storage, recovered.snapshot)
        self._proposing = Proposing(
            settings, self._consensus, self._writes, self._time, peers, report,
            draw(0, 2**30) << 32,
        )  # fmt: skip
        reads = Reads(draw(0, 2**30) << 32)
        self._answering = Answering(
            settings,
            self._consensus,
            self._applying,
            reads,
            self._streams,
            self._directory,
            self._time,
            outbox,
            clock,
        )
        self._intake = Intake(
            settings, clients, outbox, self._writes, reads, self._streams, self._directory,
            self._answering.answer, report,
        )  # fmt: skip
        self._reads = reads
        self._last_tick_ms = clock.now_ms()
        self._ticks = 0
        self._compact_mark = LogIndex(0)
        self._more_to_tidy = False
        self.expects_more = False
        """Whether the last turn moved something on: what follows from it comes in a moment."""
        if recovered.note:
            report("log repaired", {"note": recovered.note})
        peers.set_peers(
            {
                node: address
                for node, address in self._directory.peer_addresses.items()
                if node != settings.node
            }
        )

    # --- what others may look at ------------------------------------------------------------

    @property
    def store(self) -> Store:
        """The store; to read, never to change."""
        return self._applying.store

    @property
    def core(self) -> RaftCore:
        """The consensus core; to look at, never to step."""
        return self._consensus.core

    @property
    def applied_index(self) -> LogIndex:
        """Index of the last applied entry."""
        return self._applying.index

    @property
    def serves(self) -> bool:
        """Whether this node leads and has applied an entry of its own term."""
        return self._consensus.serves

    @property
    def leader(self) -> NodeId:
        """The leader this node knows of; 0 for none."""
        return self._consensus.standing.leader

    def next_wake_ms(self) -> float:
        """When the loop wants a turn even if nothing arrives."""
        now_ms = self._clock.now_ms()
        if self._applying.backlog or self._saving.can_go_on or self._answering.busy:
            return now_ms
        if self._more_to_tidy:
            return now_ms
        if self._streams.can_move(self.store):
            return now_ms + _LAGGING_WAKE_MS
        wake_ms = self._last_tick_ms + self._settings.tick_ms
        retry_ms = self._reads.next_wake_ms()
        return wake_ms if retry_ms is None else min(wake_ms, retry_ms)

    # --- the turn ---------------------------------------------------------------------------

    def turn(self) -> None:
        """Do everything that can be done now, within the bounds of one turn."""
        now_ms = self._clock.now_ms()
        applied = self._applying.index
        self._hear_storage()
        self._hear_peers()
        self._write_down()
        drained = self._intake.drain(self.store, now_ms)
        self._pass_time(now_ms)
        self._proposing.send(now_ms)
        self._answering.ask(now_ms)
        self._write_down()
        self._apply(now_ms)
        self._heed_standing(now_ms)
        self._answering.answer_ready(now_ms)
        self._clients.flush()
        self._consensus.send_news()
        self._write_down()
        self._do_background(now_ms)
        index = self._applying.index
        self.expects_more = bool(drained) or index != applied or index < self.core.last_index
        self._answering.note_turn(self._clock.now_ms() - now_ms)

    def stop(self) -> None:
        """Begin to leave: hand leadership over if this node has it."""
        if self._consensus.leads and len(self._applying.membership.voters) > 1:
            self._consensus.step(Transfer(NodeId(0)))

    def _hear_storage(self) -> None:
        for completion in self._storage.poll():
            if isinstance(completion, SnapshotSaved):
                self._hear_saved(completion)
            else:
                self._consensus.step(completion)
                if isinstance(completion, SnapshotInstalled) and completion.accepted:
                    self._load_installed(completion.meta)

    def _write_down(self) -> None:
        """Let the storage begin, and hear at once of what it could finish at once."""
        while self._storage.flush():
            self._hear_storage()

    def _hear_saved(self, saved: SnapshotSaved) -> None:
        self._saving.saved(saved)
        if saved.size_bytes == 0:
            self._report("snapshot not saved", {"index": saved.meta.index})
            return
        self._consensus.step(SnapshotAvailable(saved.meta, saved.size_bytes))
        fields = {"index": saved.meta.index, "size_bytes": saved.size_bytes}
        self._report("snapshot saved", fields)

    def _load_installed(self, meta: SnapshotMeta) -> None:
        self._saving.abandon()
        self._saving.replaced(meta)
        self._report("snapshot installed", {"index": meta.index})
        if meta.index <= self._applying.index:
            return  # the log brought us there meanwhile
        committed = self._consensus.committed
        while committed and committed[0].index <= meta.index:
            committed.popleft()
        self._applying.start_loading(meta, self._storage.open_snapshot())

    def _hear_peers(self) -> None:
        for payload in self._peers.receive(_PEER_MESSAGES_PER_TURN):
            try:
                frame = peer_frames.decode(payload)
            except ProtocolError as error:
                self._report("peer message refused", {"reason": str(error)})
                continue
            if not isinstance(frame, Forward | ForwardRejected | Introduce):
                self._consensus.step(Received(frame))
            elif frame.cluster == self._settings.cluster and frame.to == self._settings.node:
                self._hear_node(frame)

    def _hear_node(self, frame: Forward | ForwardRejected | Introduce) -> None:
        if isinstance(frame, Introduce):
            self._directory.learn(frame)
        elif isinstance(frame, ForwardRejected):
            self._proposing.take_rejected(frame)
        else:
            self._proposing.take_forwarded(frame)

    def _pass_time(self, now_ms: float) -> None:
        tick_ms = self._settings.tick_ms
        due = int((now_ms - self._last_tick_ms) // tick_ms)
        if due <= 0:
            return
        self._last_tick_ms += due * tick_ms
        for _ in range(min(due, _TICKS_PER_TURN_MAX)):
            self._consensus.step(Tick())
        before, self._ticks = self._ticks, self._ticks + due
        if before == 0 or before // _INTRODUCE_TICKS != self._ticks // _INTRODUCE_TICKS:
            self._introduce()
            self._writes.expire(now_ms)
            self._streams.let_go_silent(now_ms)
        self._do_chores(now_ms)

    def _introduce(self) -> None:
        own = self._settings
        for peer in sorted(own.members):
            if peer != own.node:
                term = self._consensus.standing.term
                frame = Introduce(own.cluster, peer, own.node, term, own.name, own.client_address)
                self._peers.send(peer, peer_frames.encode(frame))

    def _do_chores(self, now_ms: float) -> None:
        if self._consensus.serves:
            time_ms = self._time.reckon_ms(now_ms)
            compaction = self._chores.compaction_due(self.store)
            if compaction is not None:
                self._writes.take_internal(internal_frame(compaction))
            elif (
                not self._writes.drain.frames
                and self._chores.lease_end_due(self.store, time_ms)
                and not self._proposing.propose(Drain(), now_ms)
            ):
                self._chores.start_afresh()  # refused: the next tick must try again
        if self._chores.space_check_due(now_ms):
            alarm = self._chores.alarm_due(self.store, self._storage.free_bytes(), now_ms)
            if alarm is None and self._consensus.serves:
                active = {int(peer.node) for peer in self.core.followers if peer.is_active}
                alarm = self._chores.alarm_to_lift(self.store, active, now_ms)
            if alarm is not None:
                self._report("space alarm", {"member": alarm.member, "raised": alarm.raised})
                self._writes.take_internal(internal_frame(alarm))

    def _apply(self, now_ms: float) -> None:
        replaced = self._applying.load_slice(self._clock.now_ms)
        if replaced is not None:
            self._report("store replaced", {"index": replaced.index})
        settings = self._settings
        self._applying.apply_slice(
            settings.apply_slice_entries, settings.apply_slice_ops, self._time, now_ms
        )
        if self._applying.applied_bytes > settings.log_bytes_in_memory // 2:
            # Two halves: what was applied before the last mark goes, the rest stays for
            # followers that are a little behind.
            self._applying.applied_bytes = 0
            if self._compact_mark:
                self._consensus.step(Compacted(self._compact_mark))
            self._compact_mark = self._applying.index

    def _heed_standing(self, now_ms: float) -> None:
        standing = self._consensus.standing
        if self._consensus.standing_changed:
            self._consensus.standing_changed = False
            self._intake.leader = standing.leader
            self._intake.term = standing.term
            fields = {"role": standing.role.name, "leader": standing.leader, "term": standing.term}
            self._report("standing", fields)
            if standing.role is not Role.LEADER:
                self._writes.forget_proposed()
        if self._consensus.leads and not self._consensus.serves and self._has_caught_up():
            self._consensus.serving_term = standing.term
            self._time.restart(self.store.time_ms, now_ms)
            self._chores.start_afresh()

    def _has_caught_up(self) -> bool:
        """Whether all that earlier terms left, and an entry of this one, is applied."""
        is_own = self._applying.term == self._consensus.standing.term
        return is_own and not self._consensus.committed

    def _do_background(self, now_ms: float) -> None:
        wanted, self._consensus.snapshot_wanted = self._consensus.snapshot_wanted, None
        if wanted is not None and (available := self._saving.want(wanted)) is not None:
            self._consensus.step(available)
        applying = self._applying
        if self._saving.maybe_start(
            applying.store, applying.index, applying.term, applying.membership
        ):
            self._report("snapshot started", {"index": applying.index})
        self._saving.go_on()
        self._answering.go_on()
        self._more_to_tidy = self.store.tidy(_TIDY_ITEMS)
        self._streams.pump(self.store)
        self._streams.tell_progress(self.store, now_ms)


def _raft_settings(settings: NodeSettings) -> RaftSettings:
    return RaftSettings(
        cluster=settings.cluster,
        node=settings.node,
        election_ticks=settings.election_ticks,
        heartbeat_ticks=settings.heartbeat_ticks,
        append_bytes_max=settings.append_bytes_max,
        append_inflight_max=settings.append_inflight_max,
        uncommitted_bytes_max=settings.proposals_bytes_max,
    )
