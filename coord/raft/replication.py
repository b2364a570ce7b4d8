"""What the leader sends to each follower, and when.

New entries go at once, within the window; heartbeats go by the clock and carry nothing heavy.
The commit index travels with the next entries; only when the log falls quiet does it get a
message of its own.
"""

from coord.raft.log import NO_TERM
from coord.raft.messages import Append, Commit, Entry, Heartbeat
from coord.raft.progress import Progress, ProgressState, Window
from coord.raft.snapshots import SnapshotSender
from coord.raft.state import State

_PROBE = ProgressState.PROBE
_REPLICATE = ProgressState.REPLICATE


class Replication:
    """The leader's followers and the messages to them."""

    __slots__ = ("_state", "followers", "snapshots")

    def __init__(self, state: State) -> None:
        self._state = state
        self.snapshots = SnapshotSender(state)
        self.followers: dict[int, Progress] = {}  #: by node, in order of node

    def set_followers(self, nodes: tuple[int, ...]) -> None:
        """Keep the progress of those who stay, start to probe those who are new."""
        settings = self._state.settings
        old = self.followers
        self.followers = {}
        for node in nodes:
            if node == self._state.node:
                continue
            progress = old.get(node)
            if progress is None:
                window = Window(settings.append_inflight_max, settings.append_inflight_bytes_max)
                progress = Progress(node, self._state.log.last_index + 1, window)
                progress.is_active = True  # gets an election timeout to show itself
            self.followers[node] = progress

    def send_entries(self) -> None:
        """Send what is new to everyone whose window has room."""
        for progress in self.followers.values():
            self.send(progress)

    def send(self, progress: Progress) -> None:
        """Send one follower as much as it may get now."""
        if progress.state is _REPLICATE:
            log = self._state.log
            while progress.next <= log.last_index and not progress.window.is_full:
                if not self._send_batch(progress):
                    return
            if progress.commit_sent < log.commit == log.last_index:
                self._send_commit(progress)  # quiet: no entries are about to carry it
        elif progress.state is _PROBE and not progress.is_probing:
            progress.is_probing = True
            self._send_batch(progress)

    def send_commit(self) -> None:
        """Tell everyone at once how far the log is committed."""
        for progress in self.followers.values():
            if progress.state is _REPLICATE and progress.commit_sent < self._state.log.commit:
                self._send_commit(progress)

    def _send_commit(self, progress: Progress) -> None:
        state = self._state
        commit = state.log.commit
        progress.commit_sent = commit
        head = (state.settings.cluster, progress.node, state.node, state.term)
        state.messages.append(Commit(*head, commit, state.log.term_at(commit)))

    def send_heartbeats(self, round_number: int) -> None:
        """Send everyone a sign of life."""
        state = self._state
        cluster = state.settings.cluster
        commit = state.log.commit
        for progress in self.followers.values():
            known = min(progress.match, commit)
            state.send(
                Heartbeat(cluster, progress.node, state.node, state.term, known, round_number)
            )

    def end_period(self) -> None:
        """Note, once for each period of heartbeats, who answered no append in it."""
        for progress in self.followers.values():
            progress.is_quiet = not progress.has_answered
            progress.has_answered = False

    def on_heartbeat_reply(self, progress: Progress) -> None:
        """Use a sign of life to mend what was lost on the way.

        What is out may just be slow. A question without entries finds out, is cheap either
        way, and goes at most once in a period.
        """
        progress.is_active = True
        if not progress.is_quiet or progress.has_answered:
            return
        is_behind = progress.match < self._state.log.last_index
        if progress.state is _PROBE or (progress.state is _REPLICATE and is_behind):
            progress.is_quiet = False
            progress.is_probing = progress.state is _PROBE
            self._send_append(progress, ())

    def _send_batch(self, progress: Progress) -> bool:
        log = self._state.log
        if progress.next > log.last_index:
            return self._send_append(progress, ())
        if log.term_at(progress.next - 1) == NO_TERM:
            self.snapshots.begin(progress)
            return False
        entries, size_bytes = log.batch(progress.next, self._state.settings.append_bytes_max)
        if not self._send_append(progress, entries):
            return False
        if progress.state is _REPLICATE:
            last = entries[-1].index
            progress.next = last + 1
            progress.window.add(last, size_bytes)
        return True

    def _send_append(self, progress: Progress, entries: tuple[Entry, ...]) -> bool:
        """Send entries that start at progress.next; False when a snapshot must come first."""
        state = self._state
        log = state.log
        prev = progress.next - 1
        prev_term = log.term_at(prev)
        if prev_term == NO_TERM:
            self.snapshots.begin(progress)
            return False
        progress.commit_sent = log.commit
        head = (state.settings.cluster, progress.node, state.node, state.term)
        state.messages.append(Append(*head, prev, prev_term, log.commit, entries))
        return True
