"""Client frames as they come in: decoded once, checked, and handed to what serves them.

Whatever a client sends, it gets an answer or a clear refusal, and the node goes on.
"""

from collections.abc import Callable, Mapping

from coord.codec import client_frames, node_frames
from coord.errors import ErrorCode, ProtocolError
from coord.frames import (
    PROTOCOL_VERSION,
    AnswerCredit,
    Hello,
    HelloReply,
    ReadFrame,
    ReadRejected,
    WatchCancel,
    WatchCreate,
    WatchCredit,
    WriteFrame,
)
from coord.ids import NodeId, Revision, Term
from coord.node.directory import Directory
from coord.node.outbox import Outbox
from coord.node.reads import Reads, WaitingRead
from coord.node.refusals import mend_write_frame, rejection, salvage
from coord.node.settings import NodeSettings
from coord.node.streams import Streams
from coord.node.writes import Writes
from coord.requests import ErrorReply, ReadOp
from coord.store.machine import Store
from coord.store.once import INTERNAL_WRITER
from transport.base import ClientListener

Report = Callable[[str, Mapping[str, object]], None]
"""Where the node tells what a log should say: an event name and its fields."""


class Intake:
    """The door for clients of one node."""

    def __init__(
        self,
        settings: NodeSettings,
        clients: ClientListener,
        outbox: Outbox,
        writes: Writes,
        reads: Reads,
        streams: Streams,
        directory: Directory,
        serve_read: Callable[[WaitingRead], None],
        report: Report,
    ) -> None:
        self._settings = settings
        self._clients = clients
        self._outbox = outbox
        self._writes = writes
        self._reads = reads
        self._streams = streams
        self._directory = directory
        self._serve_read = serve_read
        self._report = report
        self.leader = NodeId(0)
        self.term = Term(0)

    def drain(self, store: Store, now_ms: float) -> int:
        """Take what has arrived, within the bounds of one turn.

        Returns:
            How many messages were taken.
        """
        arrived = self._clients.receive(
            self._settings.drain_frames_max, self._settings.drain_bytes_max
        )
        for route, payload in arrived:
            try:
                frame = client_frames.decode(payload)
            except ProtocolError:
                self._take_malformed(route, payload, now_ms)
                continue
            if type(frame) is WriteFrame:
                mended = mend_write_frame(frame)
                if mended is None:
                    self._take_write(route, payload, frame, now_ms)
                else:
                    self._take_write(route, client_frames.encode(mended), mended, now_ms)
            elif type(frame) is ReadFrame:
                self._take_read(route, frame.request, frame.serializable, frame.ops, now_ms)
            elif type(frame) is WatchCredit:
                self._streams.heard(route, now_ms)
                self._streams.credit(route, frame.consumed_bytes)
            elif type(frame) is AnswerCredit:
                self._outbox.credit(route, frame.taken_bytes)
            elif type(frame) is WatchCreate:
                self._streams.create(route, frame, store, now_ms)
            elif type(frame) is WatchCancel:
                self._streams.cancel(route, frame.watch)
            else:
                assert type(frame) is Hello
                self._streams.heard(route, now_ms)
                self._greet(route, frame, store)
        return len(arrived)

    def _take_write(self, route: bytes, payload: bytes, frame: WriteFrame, now_ms: float) -> None:
        if frame.writer == INTERNAL_WRITER:
            self._refuse(route, ErrorCode.MALFORMED, f"writer {INTERNAL_WRITER} is reserved")
            return
        deadline_ms = now_ms + self._settings.request_timeout_ms
        self._writes.take(route, payload, frame, deadline_ms)

    def _take_read(
        self,
        route: bytes,
        request: int,
        serializable: bool,
        ops: tuple[ReadOp | ErrorReply, ...],
        now_ms: float,
    ) -> None:
        deadline_ms = now_ms + self._settings.request_timeout_ms
        read = WaitingRead(route, request, ops, deadline_ms)
        if serializable:
            self._serve_read(read)
        elif self._reads.waiting_ops >= self._settings.reads_waiting_max:
            # With nobody leading they would gather until memory ends.
            rejected = ReadRejected(request, self.leader, ErrorCode.TOO_MANY_REQUESTS)
            self._outbox.send(route, node_frames.encode(rejected))
        else:
            self._reads.take(read)

    def _take_malformed(self, route: bytes, payload: bytes, now_ms: float) -> None:
        found = salvage(payload)
        if isinstance(found, WriteFrame):
            self._take_write(route, client_frames.encode(found), found, now_ms)
        elif isinstance(found, tuple):
            request, ops = found
            self._take_read(route, request, False, ops, now_ms)
        else:
            self._refuse(route, ErrorCode(found.code), found.detail)

    def _greet(self, route: bytes, hello: Hello, store: Store) -> None:
        if hello.version != PROTOCOL_VERSION:
            detail = f"client speaks {hello.version}, this node speaks {PROTOCOL_VERSION}"
            self._refuse(route, ErrorCode.WRONG_VERSION, detail)
            return
        if hello.cluster not in (0, self._settings.cluster):
            detail = f"client wants {hello.cluster:x}, this is {self._settings.cluster:x}"
            self._refuse(route, ErrorCode.WRONG_CLUSTER, detail)
            return
        reply = HelloReply(
            PROTOCOL_VERSION,
            self._settings.cluster,
            self._settings.node,
            self.leader,
            self.term,
            Revision(store.revision),
            self._directory.for_clients(),
        )
        self._outbox.send(route, node_frames.encode(reply))

    def _refuse(self, route: bytes, code: ErrorCode, detail: str) -> None:
        self._report("frame refused", {"route": route.hex(), "code": code.name, "detail": detail})
        self._outbox.send(route, rejection(code, detail))
