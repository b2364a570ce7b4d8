"""Making a client's ZeroMQ socket with every limit set, before it connects.

What is left out of here keeps libzmq's default, and most of those are "unlimited".

A socket that sends heart-beats must never stop reading for want of room: when such a connection
breaks, libzmq 4.3 fails an assertion and takes the process with it (zeromq/libzmq issues 3596,
3937, 4767). So a client beats only where its protocol bounds what it is sent. The node counts
down the time to live from the last beat, unless something else came after it; for the rest, and
for machines that vanish, there is TCP's own keep-alive.
"""

import errno
import os

import zmq

from transport.base import TransportError
from transport.framing import HEADER_BYTES
from transport.settings import LinkSettings

NOBLOCK = int(zmq.NOBLOCK)
RCVMORE = int(zmq.RCVMORE)
EVENTS = int(zmq.EVENTS)
POLLIN = int(zmq.POLLIN)
POLLOUT = int(zmq.POLLOUT)

_TTL_UNIT_MS = 100  # what ZMTP counts a heart-beat's time to live in
_KEEPALIVE_S = 5
_KEEPALIVE_COUNT = 3
_PORT_MAX = 65535


def new_dealer(
    context: zmq.Context[zmq.Socket[bytes]], settings: LinkSettings
) -> zmq.Socket[bytes]:
    """Return a DEALER socket with every bound and time of `settings` in force."""
    made = context.socket(zmq.DEALER)
    made.setsockopt(zmq.LINGER, 0)
    made.setsockopt(zmq.IPV6, 1)
    made.setsockopt(zmq.SNDHWM, settings.queue_messages)
    made.setsockopt(zmq.RCVHWM, settings.unread_messages)
    made.setsockopt(zmq.MAXMSGSIZE, 2 * settings.receive_bytes_max + HEADER_BYTES)
    made.setsockopt(zmq.HANDSHAKE_IVL, settings.handshake_ms)
    if not settings.unread_messages:
        made.setsockopt(zmq.HEARTBEAT_IVL, settings.heartbeat_ms)
        made.setsockopt(zmq.HEARTBEAT_TIMEOUT, settings.heartbeat_timeout_ms)
        # The other side is told to give up on this one a little later than this one on it.
        ttl_ms = settings.heartbeat_timeout_ms + settings.heartbeat_ms
        made.setsockopt(zmq.HEARTBEAT_TTL, -(-ttl_ms // _TTL_UNIT_MS) * _TTL_UNIT_MS)
    made.setsockopt(zmq.TCP_KEEPALIVE, 1)
    made.setsockopt(zmq.TCP_KEEPALIVE_IDLE, _KEEPALIVE_S)
    made.setsockopt(zmq.TCP_KEEPALIVE_INTVL, _KEEPALIVE_S)
    made.setsockopt(zmq.TCP_KEEPALIVE_CNT, _KEEPALIVE_COUNT)
    made.setsockopt(zmq.TCP_MAXRT, _KEEPALIVE_S * _KEEPALIVE_COUNT * 1000)
    made.setsockopt(zmq.RECONNECT_IVL, settings.reconnect_ms)
    made.setsockopt(zmq.RECONNECT_IVL_MAX, settings.reconnect_ms_max)
    made.setsockopt(zmq.CONNECT_TIMEOUT, settings.handshake_ms)
    made.setsockopt(zmq.IMMEDIATE, 1)  # nothing queues for a connection that does not stand
    return made


def is_ready(asked: zmq.Socket[bytes], event: int) -> bool:
    """Whether `asked` can receive (POLLIN) or send (POLLOUT) now; makes ZeroMQ look afresh."""
    return bool(int(asked.getsockopt(EVENTS)) & event)


def connect(joined: zmq.Socket[bytes], address: str) -> None:
    """Start connecting to `address`; ZeroMQ keeps trying from here on.

    Raises:
        TransportError: not an address.
    """
    port = address.rpartition(":")[2]
    if address.startswith("tcp://") and port.isdigit() and int(port) > _PORT_MAX:
        # ZeroMQ would quietly take the number's low sixteen bits.
        raise TransportError(f"cannot connect to {address!r}: a port is at most {_PORT_MAX}")
    try:
        joined.connect(address)
    except (zmq.ZMQError, UnicodeError) as error:
        raise TransportError(f"cannot connect to {address!r}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    number = getattr(error, "errno", 0)
    if number in (errno.EINVAL, zmq.EPROTONOSUPPORT):
        return "not an address; expected tcp://HOST:PORT or ipc://PATH"
    if number == errno.ENODEV:
        return "no such host or interface on this machine"
    if number == errno.ENOENT:
        return "its folder does not exist"
    if number == errno.ENAMETOOLONG:
        return "the path is too long for a local socket (107 bytes at most)"
    return os.strerror(number) if number else str(error)
