"""What the leader knows of one follower, and how much it may send.

PROBE: where the logs part is unknown; one message at a time.
REPLICATE: it is known; messages stream, within a window of messages and bytes.
SNAPSHOT: the entries it needs are compacted away; chunks go instead of entries.

Invariant: match < next. `match` only grows within a term; a rejection never lowers it.
"""

from collections import deque
from enum import IntEnum

import attrs

from coord.raft.messages import SnapshotMeta


class ProgressState(IntEnum):
    """How the leader speaks to a follower."""

    PROBE = 0
    REPLICATE = 1
    SNAPSHOT = 2


class ProgressEvent(IntEnum):
    """What changes how the leader speaks to a follower."""

    ACCEPTED = 0  #: the logs agree up to an index we still hold
    REJECTED = 1  #: the logs part before what was sent
    COMPACTED = 2  #: what comes next is no longer in our log
    ABANDONED = 3  #: the snapshot will not be finished


_PROBE, _REPLICATE, _SNAPSHOT = ProgressState

TRANSITIONS: dict[tuple[ProgressState, ProgressEvent], ProgressState] = {
    (_PROBE, ProgressEvent.ACCEPTED): _REPLICATE,
    (_PROBE, ProgressEvent.REJECTED): _PROBE,
    (_PROBE, ProgressEvent.COMPACTED): _SNAPSHOT,
    (_REPLICATE, ProgressEvent.ACCEPTED): _REPLICATE,
    (_REPLICATE, ProgressEvent.REJECTED): _PROBE,
    (_REPLICATE, ProgressEvent.COMPACTED): _SNAPSHOT,
    (_SNAPSHOT, ProgressEvent.ACCEPTED): _REPLICATE,
    (_SNAPSHOT, ProgressEvent.REJECTED): _SNAPSHOT,  # of something sent before the snapshot
    (_SNAPSHOT, ProgressEvent.ABANDONED): _PROBE,
}
"""A pair that is missing cannot happen."""


class Window:
    """Messages sent and not acknowledged, bounded in number and payload bytes."""

    __slots__ = ("_bytes_max", "_messages_max", "_sent", "size_bytes")

    def __init__(self, messages_max: int, bytes_max: int) -> None:
        self._messages_max = messages_max
        self._bytes_max = bytes_max
        self._sent: deque[tuple[int, int]] = deque()  # (last index, bytes)
        self.size_bytes = 0

    def __len__(self) -> int:
        return len(self._sent)

    @property
    def is_full(self) -> bool:
        """Whether nothing more may be sent. The last message may overshoot the bytes."""
        return len(self._sent) >= self._messages_max or self.size_bytes >= self._bytes_max

    def add(self, last_index: int, size_bytes: int) -> None:
        """Note a sent message that ends at `last_index`."""
        self._sent.append((last_index, size_bytes))
        self.size_bytes += size_bytes

    def free_to(self, match: int) -> None:
        """Forget messages that end at or before `match`."""
        sent = self._sent
        while sent and sent[0][0] <= match:
            self.size_bytes -= sent.popleft()[1]

    def clear(self) -> None:
        """Forget all."""
        self._sent.clear()
        self.size_bytes = 0


@attrs.define
class Shipment:
    """A snapshot on its way to one follower, stop-and-wait."""

    meta: SnapshotMeta
    total_bytes: int
    offset: int = 0
    idle_ticks: int = 0  #: since the follower last moved on


class Progress:
    """One follower as the leader sees it."""

    __slots__ = (
        "commit_sent",
        "has_answered",
        "is_active",
        "is_probing",
        "is_quiet",
        "match",
        "next",
        "node",
        "shipment",
        "state",
        "window",
    )

    def __init__(self, node: int, next_index: int, window: Window) -> None:
        self.node = node
        self.match = 0  #: highest index known to be durable there
        self.next = next_index  #: first index not yet sent
        self.state = ProgressState.PROBE
        self.window = window
        self.is_probing = False  #: a probe is out; wait for its answer or a heartbeat's
        self.is_active = False  #: heard from since the last check of the quorum
        self.has_answered = False  #: an append was answered in this period of heartbeats
        self.is_quiet = False  #: none was in the period before
        self.commit_sent = 0  #: highest commit index told in an Append
        self.shipment: Shipment | None = None

    def change(self, event: ProgressEvent) -> None:
        """Take the step of the table for `event`."""
        state = TRANSITIONS[self.state, event]
        if state is self.state:
            return
        self.state = state
        self.is_probing = False
        self.window.clear()
        self.shipment = None

    def accept(self, match: int) -> bool:
        """Note that everything up to `match` is durable there.

        Returns:
            Whether this is news; a late or repeated answer is not.
        """
        if match <= self.match:
            return False
        self.match = match
        self.next = max(self.next, match + 1)
        self.window.free_to(match)
        return True

    def reject(self, prev_index: int, probe_index: int) -> bool:
        """Note that the logs differ at `prev_index`.

        Args:
            prev_index: what the follower rejected.
            probe_index: the next place where they may agree.

        Returns:
            Whether to probe again; False for an answer to an older question.
        """
        if self.state is ProgressState.SNAPSHOT:
            return False
        if self.state is ProgressState.REPLICATE:
            if prev_index <= self.match:
                return False
        elif prev_index != self.next - 1:
            return False
        self.change(ProgressEvent.REJECTED)
        self.next = max(self.match + 1, min(prev_index, probe_index + 1))
        self.is_probing = False
        return True
