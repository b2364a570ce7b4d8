"""Effects of a core as lines that a person can read; for scenarios and failing tests."""

from collections.abc import Callable, Iterator
from typing import Any

from coord.raft.membership import decode_membership
from coord.raft.messages import (
    Append,
    AppendReply,
    Commit,
    Effects,
    Entry,
    EntryKind,
    Heartbeat,
    HeartbeatReply,
    InstallSnapshot,
    Membership,
    Message,
    PreVote,
    PreVoteReply,
    ReadIndex,
    ReadIndexReply,
    SnapshotReply,
    Vote,
    VoteReply,
    Write,
)


def trace_effects(node: int, effects: Effects) -> Iterator[str]:
    """Yield a line for each thing that one step of `node` asked for."""
    if effects.proposed is not None and not effects.proposed.first_index:
        yield f"{node} refuses the proposal"
    if effects.standing is not None:
        standing = effects.standing
        yield f"{node} is {standing.role.name.lower()}, term {standing.term}" + (
            f", leader {standing.leader}" if standing.leader else ""
        )
    if effects.membership is not None:
        yield f"{node} goes by {members_text(effects.membership)}"
    if effects.write is not None:
        yield f"{node} writes {write_text(effects.write)}"
    for message in effects.messages:
        yield f"{node} > {message.to} {message_text(message)}"
    for entry in effects.committed:
        yield f"{node} commits {entry_text(entry)}"
    for ready in effects.reads:
        yield f"{node} read {ready.context} " + (f"at {ready.index}" if ready.index else "failed")
    if effects.snapshot_wanted is not None:
        yield f"{node} wants a snapshot from {effects.snapshot_wanted.min_index} on"
    for wanted in effects.chunks_wanted:
        yield f"{node} reads snapshot {wanted.meta.index} at {wanted.offset} for {wanted.to}"
    if effects.chunk_received is not None:
        received = effects.chunk_received
        end = ", the last" if received.last else ""
        yield f"{node} stores snapshot {received.meta.index} at {received.offset}{end}"


def entry_text(entry: Entry) -> str:
    """Write index/term and payload."""
    if entry.kind is EntryKind.NOOP:
        return f"{entry.index}/{entry.term}"
    if entry.kind is EntryKind.CONFIG:
        members = decode_membership(entry.payload)
        assert members is not None
        return f"{entry.index}/{entry.term} {members_text(members)}"
    return f'{entry.index}/{entry.term} "{entry.payload.decode()}"'


def members_text(members: Membership) -> str:
    """Write a member list."""
    text = "voters " + ",".join(map(str, members.voters))
    if members.outgoing:
        text += " outgoing " + ",".join(map(str, members.outgoing))
    if members.learners:
        text += " learners " + ",".join(map(str, members.learners))
    return text


def write_text(write: Write) -> str:
    """Write what goes to disk under which ticket."""
    parts = [f"#{write.ticket}"]
    if write.hard_state is not None:
        hard = write.hard_state
        parts.append(f"term {hard.term} vote {hard.vote} commit {hard.commit}")
    parts.extend(entry_text(entry) for entry in write.entries)
    return " ".join(parts)


def message_text(message: Message) -> str:
    """Write a message's kind, term and what it says."""
    kind = type(message)
    says = _SAYS.get(kind)
    text = f"{kind.__name__} term={message.term}"
    return f"{text} {says(message)}" if says else text


def _last(message: Any) -> str:
    text = f"last={message.last_index}/{message.last_term}"
    return text + " transfer" if isinstance(message, Vote) and message.transfer else text


def _granted(message: Any) -> str:
    return "granted" if message.granted else "refused"


def _append(message: Append) -> str:
    text = f"prev={message.prev_index}/{message.prev_term} commit={message.commit}"
    return " ".join([text, *map(entry_text, message.entries)])


def _append_reply(message: AppendReply) -> str:
    if message.rejected:
        return f"rejects {message.prev_index} hint={message.hint_index}/{message.hint_term}"
    return f"match={message.match}"


def _install(message: InstallSnapshot) -> str:
    size = f"{message.offset}+{len(message.chunk)} of {message.total_bytes}"
    return f"{message.meta.index}/{message.meta.term} bytes {size}"


def _snapshot_reply(message: SnapshotReply) -> str:
    state = " done" if message.done else " rejected" if message.rejected else ""
    return f"{message.index} next={message.next_offset}{state}"


_SAYS: dict[type, Callable[[Any], str]] = {
    PreVote: _last,
    PreVoteReply: _granted,
    Vote: _last,
    VoteReply: _granted,
    Append: _append,
    AppendReply: _append_reply,
    Heartbeat: lambda m: f"commit={m.commit} round={m.round}",
    Commit: lambda m: f"index={m.index} of term {m.index_term}",
    HeartbeatReply: lambda m: f"round={m.round}",
    InstallSnapshot: _install,
    SnapshotReply: _snapshot_reply,
    ReadIndex: lambda m: f"context={m.context}",
    ReadIndexReply: lambda m: f"context={m.context} index={m.index}",
}
