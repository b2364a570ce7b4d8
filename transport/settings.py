"""What a transport is told about sizes and times; it knows no defaults of those above it.

Values only. Queues are counted in messages, per connection and direction.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSettings:
    """Bounds and times of one kind of connection.

    Every time is a positive count of milliseconds, every size at least 1.
    """

    queue_messages: int = 4096
    """Waiting on one connection, each way, before a send is told that it is full."""

    unread_messages: int = 0
    """Arrived at a client's channel and not yet received; 0 for no bound, where the protocol above
    bounds it. With a bound the channel sends no signs of life (see transport.zeromq_socket)."""

    receive_bytes_max: int = 16 * 1024 * 1024
    """Largest payload taken in. Up to twice this is read and refused with a reason; a sender
    of more loses its connection."""

    send_bytes_max: int = 16 * 1024 * 1024
    """Largest payload accepted for sending: what the other side takes in."""

    heartbeat_ms: int = 500
    """Between the transport's own signs of life on an idle connection."""

    heartbeat_timeout_ms: int = 2000
    """Silence after which a connection counts as broken."""

    handshake_ms: int = 2500
    """How long a new connection may take to speak this protocol before it is closed."""

    reconnect_ms: int = 50
    """First pause before connecting again; doubles up to `reconnect_ms_max`."""

    reconnect_ms_max: int = 500

    def __post_init__(self) -> None:
        """Refuse values that make no sense together."""
        for name in self.__slots__:
            least = 0 if name == "unread_messages" else 1
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least {least}")
        if self.heartbeat_timeout_ms <= self.heartbeat_ms:
            raise ValueError("heartbeat_timeout_ms must be longer than heartbeat_ms")
        if self.reconnect_ms_max < self.reconnect_ms:
            raise ValueError("reconnect_ms_max must not be shorter than reconnect_ms")
