"""What a leader does for the store unasked: lease ends, compaction; and every node: the alarm.

Each chore becomes an ordinary entry of the log, so all members do it at the same place.
"""

from collections.abc import Set

from coord import limits
from coord.frames import WriteFrame
from coord.node.settings import NodeSettings
from coord.requests import Compact, SetAlarm, WriteOp
from coord.store.machine import Store
from coord.store.once import INTERNAL_WRITER

_COMPACTION_SLACK = 4  # compact when a quarter more than wanted has gathered: not at each entry
_SPACE_CHECK_MS = 1000.0
_RESEND_MS = 1000.0  # an alarm not yet applied is asked for again


def internal_frame(op: WriteOp) -> WriteFrame:
    """Wrap one of the node's own writes."""
    return WriteFrame(INTERNAL_WRITER, 0, 1, (op,))


class Chores:
    """Decides which chores are due; the loop carries them out."""

    def __init__(self, settings: NodeSettings) -> None:
        self._settings = settings
        self._compacting_to = 0
        self._ended_until_ms = -1
        self._space_check_at_ms = 0.0
        self._alarm_sent_at_ms = -_RESEND_MS
        self._silent_since_ms: dict[int, float] = {}
        """Since when this leader has not heard of a member whose alarm stands."""

    def start_afresh(self) -> None:
        """Forget what was proposed before: it may never be committed."""
        self._compacting_to = 0
        self._ended_until_ms = -1
        self._silent_since_ms.clear()

    def lease_end_due(self, store: Store, time_ms: int) -> bool:
        """Whether an entry stamped `time_ms` is needed so that a lease can end.

        True once per deadline: the entry, when applied, moves the deadline on.
        """
        deadline_ms = store.next_deadline_ms()
        if deadline_ms is None or deadline_ms > time_ms or deadline_ms <= self._ended_until_ms:
            return False
        self._ended_until_ms = time_ms
        return True

    def compaction_due(self, store: Store) -> Compact | None:
        """Return the compaction that keeps history at its wanted length, if it is time."""
        keep = self._settings.history_revisions
        target = store.revision - keep
        if keep == 0 or target <= max(store.compact_revision, self._compacting_to):
            return None
        if store.revision - max(store.compact_revision, 1) < keep + keep // _COMPACTION_SLACK:
            return None
        self._compacting_to = target
        return Compact(target)

    def alarm_due(self, store: Store, free_bytes: int, now_ms: float) -> SetAlarm | None:
        """Return the alarm to raise or clear for this node's disk, if it is not so yet."""
        reserve = self._settings.disk_reserve_bytes
        node = int(self._settings.node)
        raised = node in store.alarms
        wanted = free_bytes < (2 * reserve if raised else reserve)
        if wanted == raised or now_ms < self._alarm_sent_at_ms + _RESEND_MS:
            return None
        self._alarm_sent_at_ms = now_ms
        return SetAlarm(node, wanted)

    def alarm_to_lift(self, store: Store, active: Set[int], now_ms: float) -> SetAlarm | None:
        """Return the clearing of an alarm whose member this leader has not heard of for a minute.

        A dead member cannot clear its own, and the others have room. One that comes back with its
        disk still full raises it again.

        Args:
            store: where alarms stand.
            active: members heard of lately; to be asked about every second while leading.
            now_ms: the node's clock.
        """
        for member in store.alarms:
            if member == self._settings.node or member in active:
                self._silent_since_ms.pop(member, None)
                continue
            silent_ms = now_ms - self._silent_since_ms.setdefault(member, now_ms)
            if silent_ms >= limits.ALARM_SILENCE_MS:
                return SetAlarm(member, False)
        return None

    def space_check_due(self, now_ms: float) -> bool:
        """Whether it is time to look at the disk's free space; at most once a second."""
        if now_ms < self._space_check_at_ms:
            return False
        self._space_check_at_ms = now_ms + _SPACE_CHECK_MS
        return True


assert limits.DISK_RESERVE_BYTES > limits.ENTRY_BYTES_MAX
