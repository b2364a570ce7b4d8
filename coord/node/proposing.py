"""Where gathered writes go: into the log if this node leads, else to the one that does.

A frame that goes nowhere is rejected at once, to the client or to the peer that forwarded it;
a rejected frame left no trace, so its client may send it again under the same numbers.
"""

from coord.codec import client_frames
from coord.errors import ErrorCode, ProtocolError
from coord.frames import WriteFrame
from coord.ids import LogIndex, NodeId
from coord.node.cluster_time import ClusterTime
from coord.node.consensus import Consensus
from coord.node.intake import Report
from coord.node.peers import Forward, ForwardRejected, peer_frames
from coord.node.settings import NodeSettings
from coord.node.writes import OWN, Drain, Origin, Writes
from coord.raft.messages import Propose, Role
from transport.base import PeerTransport

_SEEN_MAX = 4096  # forwards remembered, to notice copies


class Proposing:
    """Sends each turn's writes on their way."""

    def __init__(
        self,
        settings: NodeSettings,
        consensus: Consensus,
        writes: Writes,
        time: ClusterTime,
        peers: PeerTransport,
        report: Report,
        first_forward: int,
    ) -> None:
        self._settings = settings
        self._consensus = consensus
        self._writes = writes
        self._time = time
        self._peers = peers
        self._report = report
        self._last_forward = first_forward
        self._seen: dict[Origin, None] = {}

    def send(self, now_ms: float) -> None:
        """Propose what was gathered, as a rule as one entry, or forward it to the leader."""
        if not self._writes.drain.frames:
            return
        standing = self._consensus.standing
        if self._consensus.serves:
            for part in self._writes.empty_drain().parts():
                self.propose(part, now_ms)
        elif standing.role is Role.LEADER:
            # Elected, first entry not yet applied: hold on for a moment, within bounds.
            if self._writes.drain.size_bytes > self._settings.drain_bytes_max:
                self._reject(self._writes.empty_drain(), ErrorCode.TOO_MANY_REQUESTS)
        elif standing.leader == 0:
            self._reject(self._writes.empty_drain(), ErrorCode.NO_LEADER)
        else:
            self._forward(self._writes.empty_drain(), standing.leader)

    def propose(self, drain: Drain, now_ms: float) -> bool:
        """Propose a drain, possibly empty, as one stamped entry.

        Returns:
            Whether it stands in the log of this leader; if not, its frames were rejected.
        """
        time_ms = self._time.reckon_ms(now_ms)
        payload = self._writes.payload(drain, time_ms)
        proposed = self._consensus.step(Propose((payload,)))
        if proposed is None or proposed.first_index == 0:
            is_leaving = self._consensus.core.transferee != 0
            self._reject(drain, ErrorCode.NO_LEADER if is_leaving else ErrorCode.TOO_MANY_REQUESTS)
            return False
        index = LogIndex(proposed.first_index)
        self._writes.remember(index, proposed.term, time_ms, drain)
        return True

    def take_forwarded(self, forward: Forward) -> None:
        """Gather the frames a peer forwarded; trusts them no more than a client's."""
        origin = (forward.sender, forward.number)
        if origin in self._seen:
            return  # a copy: what became of the first is what the sender was or will be told
        self._seen[origin] = None
        if len(self._seen) > _SEEN_MAX:
            del self._seen[next(iter(self._seen))]
        for encoded in forward.frames:
            try:
                frame = client_frames.decode(encoded)
            except ProtocolError as error:
                self._report("forwarded frame refused", {"reason": str(error)})
                continue
            if isinstance(frame, WriteFrame):
                self._writes.take_forwarded(encoded, frame, origin)

    def take_rejected(self, rejected: ForwardRejected) -> None:
        """Pass a peer's rejection on to the client that waits here."""
        self._writes.reject_forwarded(rejected, self._consensus.standing.leader)

    def _forward(self, drain: Drain, leader: NodeId) -> None:
        """Send own frames to the leader; frames forwarded here go no further."""
        own = [
            (encoded, frame)
            for encoded, frame, origin in zip(
                drain.encoded, drain.frames, drain.origins, strict=True
            )
            if origin == OWN
        ]
        if own:
            self._last_forward += 1
            for _, frame in own:
                self._writes.forwarded(frame, self._last_forward)
            forward = Forward(
                self._settings.cluster,
                leader,
                self._settings.node,
                self._consensus.standing.term,
                tuple(encoded for encoded, _ in own),
                self._last_forward,
            )
            # Dropped on the way, it is the client that asks again, with the same numbers. What
            # could not even be sent, as after a leader's death, is told at once.
            if not self._peers.send(leader, peer_frames.encode(forward)):
                for _, frame in own:
                    self._writes.reject(frame, 0, ErrorCode.NO_LEADER)
        self._reject_foreign(drain, ErrorCode.NOT_LEADER)

    def _reject(self, drain: Drain, code: ErrorCode) -> None:
        leader = self._consensus.standing.leader
        for frame, origin in zip(drain.frames, drain.origins, strict=True):
            if origin == OWN:
                self._writes.reject(frame, leader, code)
        self._reject_foreign(drain, code)

    def _reject_foreign(self, drain: Drain, code: ErrorCode) -> None:
        """Tell forwarding peers that their frames were not proposed here."""
        term = self._consensus.standing.term
        for frame, origin in zip(drain.frames, drain.origins, strict=True):
            if origin == OWN:
                continue
            peer, number = origin
            rejected = ForwardRejected(
                self._settings.cluster,
                peer,
                self._settings.node,
                term,
                frame.writer,
                frame.first_seq,
                len(frame.ops),
                number,
                code,
            )
            self._peers.send(peer, peer_frames.encode(rejected))
