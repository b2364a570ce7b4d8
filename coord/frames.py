"""What client and node say to each other: frames that carry many requests at once.

One frame is one message on the socket. A write frame holds consecutively numbered writes of one
writer; its bytes go into the log as they came, so a put is encoded once in its life, by the
client. Numbers, not positions, tie answers to questions: frames may be lost, doubled or late.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from coord import limits
from coord.model import Event
from coord.requests import Id, Key, RangeEnd, ReadOp, Reply, WriteOp

PROTOCOL_VERSION = 1

# --- client to node ---------------------------------------------------------------------------


class Hello(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=1):
    """First words on a connection, repeated as the client's heart-beat. Cluster 0: not known."""

    version: int
    cluster: Id = 0


class WriteFrame(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """Writes number `first_seq`, `first_seq` + 1, ... of `writer`.

    `ack_below`: every number below it has its answer; the store may forget those.
    Number 0 is an OpenWriter alone in its frame; real writes start at 1.
    """

    writer: Annotated[int, Meta(ge=1, le=2**63 - 1)]
    ack_below: Id
    first_seq: Id
    ops: Annotated[tuple[WriteOp, ...], Meta(min_length=1, max_length=limits.FRAME_OPS_MAX)]


class ReadFrame(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """Reads answered together, under the client's number `request`.

    Linearizable unless `serializable`: then from what the node has applied, maybe stale.
    """

    request: Id
    serializable: bool
    ops: Annotated[tuple[ReadOp, ...], Meta(min_length=1, max_length=limits.FRAME_OPS_MAX)]


class WatchCreate(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=4):
    """Follow a key or range from `start_revision` on; 0 means from now."""

    watch: Id
    key: Key
    range_end: RangeEnd = b""
    start_revision: Id = 0
    prev_kv: bool = False
    no_put: bool = False
    no_delete: bool = False
    progress: bool = False


class WatchCancel(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=5):
    """Stop one watch."""

    watch: Id


class WatchCredit(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=6):
    """Total bytes of watch frames this connection's application has consumed so far."""

    consumed_bytes: Id


class AnswerCredit(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=7):
    """Bytes of other frames than those of watches taken since this connection last said so."""

    taken_bytes: Id


ClientFrame = (
    Hello | WriteFrame | ReadFrame | WatchCreate | WatchCancel | WatchCredit | AnswerCredit
)

# --- node to client ---------------------------------------------------------------------------


class HelloReply(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=1):
    """Who answers, who leads (0: nobody known), and where every member serves clients."""

    version: int
    cluster: int
    node: int
    leader: int
    term: int
    revision: int
    members: tuple[tuple[int, str, str], ...]
    """(node id, name, client address) of each member."""


class WriteReply(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """Answers to `first_seq`, `first_seq` + 1, ... of `writer`."""

    writer: int
    first_seq: int
    leader: int
    replies: tuple[Reply, ...]


class WriteRejected(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=3):
    """A whole write frame was not proposed (this time); nothing of it was recorded."""

    writer: int
    first_seq: int
    count: int
    leader: int
    code: int
    detail: str = ""


class ReadReply(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """Answers to a read frame, in its order."""

    request: int
    replies: tuple[Reply, ...]


class ReadRejected(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=5):
    """A read frame could not be served now."""

    request: int
    leader: int
    code: int
    detail: str = ""


class WatchCreated(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=6):
    """The watch stands; `revision` is the store's, events after it follow."""

    watch: int
    revision: int


class WatchEvents(msgspec.Struct, frozen=True, array_like=True, tag=7):
    """Events for all of `watches`, whole revisions, in order.

    `revision`: these watches are now complete up to here. `more`: the last revision goes on in
    the next frame (a revision too large for one).
    """

    watches: tuple[int, ...]
    revision: int
    more: bool
    events: tuple[Event, ...]


class WatchCanceled(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=8):
    """The watch is over. `compact_revision` > 0: it fell behind compaction; start again there."""

    watch: int
    compact_revision: int
    code: int
    detail: str = ""


class WatchProgress(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=9):
    """Nothing at or below `revision` is still to come for these watches."""

    watches: tuple[int, ...]
    revision: int


class FrameRejected(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=10):
    """The bytes were no frame of this protocol, or of another cluster."""

    code: int
    detail: str


NodeFrame = (
    HelloReply
    | WriteReply
    | WriteRejected
    | ReadReply
    | ReadRejected
    | WatchCreated
    | WatchEvents
    | WatchCanceled
    | WatchProgress
    | FrameRejected
)

# --- what a log entry holds -------------------------------------------------------------------


class Batch(msgspec.Struct, frozen=True, array_like=True):
    """The payload of a normal log entry: cluster time, then the frames of one drain, in order."""

    time_ms: int
    frames: tuple[WriteFrame, ...]
