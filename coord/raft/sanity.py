"""Which messages are taken at all: the right cluster and receiver, and numbers that can be true.

A message refused here changes nothing. What this lets through may still be stale, repeated or
out of order; the roles deal with that.
"""

from collections.abc import Callable
from typing import Any

from coord.raft.membership import NODE_ID_MAX, decode_membership, is_sound
from coord.raft.messages import (
    Append,
    AppendReply,
    Commit,
    EntryKind,
    Heartbeat,
    HeartbeatReply,
    InstallSnapshot,
    Message,
    PreVote,
    PreVoteReply,
    ReadIndex,
    ReadIndexReply,
    SnapshotReply,
    TimeoutNow,
    Vote,
    VoteReply,
)

NUMBER_MAX = 2**62
"""No term, index or size grows to this; larger ones would poison what they touch."""


def is_sensible(message: Message, cluster: int, node: int) -> bool:
    """Tell whether `message` is meant for `node` of `cluster` and could have been sent."""
    if message.cluster != cluster or message.to != node:
        return False
    if not 0 < message.sender <= NODE_ID_MAX or message.sender == node:
        return False
    if not 0 < message.term < NUMBER_MAX:
        return False
    return _CHECKS[type(message)](message)


def _any(_message: Any) -> bool:
    return True


def _vote(message: PreVote | Vote) -> bool:
    # Its own last entry is of an earlier term than the one it stands for.
    return 0 <= message.last_index < NUMBER_MAX and 0 <= message.last_term < message.term


def _append(message: Append) -> bool:
    index = message.prev_index
    term = message.prev_term
    if not 0 <= index < NUMBER_MAX or not 0 <= message.commit < NUMBER_MAX:
        return False
    if term < 0 or (term == 0) != (index == 0):
        return False
    for entry in message.entries:
        index += 1
        if entry.index != index or entry.term < term or not entry.term:
            return False
        term = entry.term
        if entry.kind is EntryKind.CONFIG and decode_membership(entry.payload) is None:
            return False
    return term <= message.term


def _append_reply(message: AppendReply) -> bool:
    numbers = (message.prev_index, message.match, message.hint_index, message.hint_term)
    return min(numbers) >= 0 and max(numbers) < NUMBER_MAX and message.hint_term <= message.term


def _commit(message: Commit) -> bool:
    return 0 < message.index < NUMBER_MAX and 0 < message.index_term <= message.term


def _heartbeat(message: Heartbeat) -> bool:
    return 0 <= message.commit < NUMBER_MAX and 0 <= message.round < NUMBER_MAX


def _heartbeat_reply(message: HeartbeatReply) -> bool:
    return 0 <= message.round < NUMBER_MAX


def _install(message: InstallSnapshot) -> bool:
    meta = message.meta
    if not 0 < meta.index < NUMBER_MAX or not 0 < meta.term <= message.term:
        return False
    if not message.chunk or not meta.membership.voters or not is_sound(meta.membership):
        return False
    end = message.offset + len(message.chunk)
    return message.offset >= 0 and end <= message.total_bytes < NUMBER_MAX


def _snapshot_reply(message: SnapshotReply) -> bool:
    return 0 < message.index < NUMBER_MAX and 0 <= message.next_offset < NUMBER_MAX


def _read(message: ReadIndex) -> bool:
    return 0 <= message.context < 2 * NUMBER_MAX


def _read_reply(message: ReadIndexReply) -> bool:
    return 0 <= message.index < NUMBER_MAX


_CHECKS: dict[type, Callable[[Any], bool]] = {
    PreVote: _vote,
    PreVoteReply: _any,
    Vote: _vote,
    VoteReply: _any,
    Append: _append,
    AppendReply: _append_reply,
    Heartbeat: _heartbeat,
    Commit: _commit,
    HeartbeatReply: _heartbeat_reply,
    InstallSnapshot: _install,
    SnapshotReply: _snapshot_reply,
    ReadIndex: _read,
    ReadIndexReply: _read_reply,
    TimeoutNow: _any,
}
