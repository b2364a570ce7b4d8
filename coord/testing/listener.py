"""A client listener for tests of the node's parts: keeps what was sent, and can say no."""

from coord.codec import node_frames
from coord.frames import NodeFrame
from transport.base import SendResult


class RecordingListener:
    """Implements transport.base.ClientListener without a network."""

    def __init__(self) -> None:
        self.arrived: list[tuple[bytes, bytes]] = []
        """What the next receive() hands over."""
        self.sent: list[tuple[bytes, NodeFrame]] = []
        """Decoded frames, in order."""
        self.results: dict[bytes, SendResult] = {}
        """What send() answers for a route, SENT by default; only what is SENT is kept."""

    def receive(self, max_messages: int, max_bytes: int) -> list[tuple[bytes, bytes]]:
        """Hand over what was put into `arrived`."""
        arrived, self.arrived = self.arrived, []
        return arrived

    def send(self, route: bytes, payload: bytes) -> SendResult:
        """Keep the frame, or answer as told."""
        result = self.results.get(route, SendResult.SENT)
        if result is SendResult.SENT:
            self.sent.append((route, node_frames.decode(payload)))
        return result

    def flush(self) -> None:
        """Nothing waits here."""

    def close(self) -> None:
        """Nothing to release."""

    def take(self, route: bytes) -> list[NodeFrame]:
        """Return and forget the frames sent to `route`."""
        taken = [frame for to, frame in self.sent if to == route]
        self.sent = [(to, frame) for to, frame in self.sent if to != route]
        return taken
