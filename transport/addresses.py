"""Addresses as people write them, tcp://HOST:PORT and ipc://PATH, made into sockets.

Every socket made here is non-blocking and has its limits and times set.
"""

import contextlib
import errno
import os
import socket as network
import stat
from dataclasses import dataclass
from typing import Any

from transport.base import TransportError

_PORT_MAX = 65535
_LISTEN_BACKLOG = 1024  # a thousand clients may come back in the same instant
_KEEPALIVE_S = 5
_KEEPALIVE_COUNT = 3
_EXPECTED = "not an address; expected tcp://HOST:PORT or ipc://PATH"
_NOT_HERE = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)  # this system has IPv6 switched off
_LOCAL = getattr(network, "AF_UNIX", None)


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen or connect: a host and port, or a local path."""

    text: str
    """As it was written."""
    host: str = ""
    """Empty for a local path; "*" for every interface."""
    port: int = 0
    path: str = ""

    @property
    def is_local(self) -> bool:
        """Whether it is a path on this machine."""
        return not self.host


def parse(text: str) -> Address:
    """Return the address that `text` names.

    Raises:
        TransportError: it names none; the text says what is wrong.
    """
    if text.startswith("ipc://") and len(text) > len("ipc://"):
        return Address(text, path=text.removeprefix("ipc://"))
    host, colon, port = text.removeprefix("tcp://").rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    is_number = port.isascii() and port.isdigit()
    if not text.startswith("tcp://") or not (host and colon and (is_number or port == "*")):
        raise TransportError(f"cannot use {text!r}: {_EXPECTED}")
    port = port.lstrip("0") or "0" if is_number else port
    if is_number and (len(port) > len(str(_PORT_MAX)) or int(port) > _PORT_MAX):
        raise TransportError(f"cannot use {text!r}: a port is at most {_PORT_MAX}")
    return Address(text, host=host, port=int(port) if is_number else 0)


def listen(address: Address) -> network.socket:
    """Return a socket that listens on `address`.

    Raises:
        TransportError: it is taken, or may not be used; nothing is left open.
    """
    try:
        if address.is_local:
            return _listen_locally(address)
        host = None if address.host == "*" else address.host
        found = network.getaddrinfo(
            host, address.port, type=network.SOCK_STREAM, flags=network.AI_PASSIVE
        )
        # Of "every interface" IPv6's takes both kinds. Of a name it does not, and ZeroMQ libraries
        # look for IPv4 unless they are told: it goes first.
        found.sort(key=lambda one: (one[0] == network.AF_INET6) != (host is None))
        for family, _, _, _, target in found[:-1]:
            try:
                return _listen_at(family, target)
            except OSError as error:
                if error.errno not in _NOT_HERE:
                    raise
        family, _, _, _, target = found[-1]
        return _listen_at(family, target)
    except (OSError, ValueError) as error:
        raise TransportError(f"cannot listen on {address.text!r}: {reason_of(error)}") from error


def bound_address(listening: network.socket, address: Address) -> str:
    """Return the address in full: with the port given out where port 0 was asked for."""
    if address.is_local:
        return address.text
    port = listening.getsockname()[1]
    host = "0.0.0.0" if address.host == "*" else address.host
    return f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"


def let_go(listening: network.socket, address: Address) -> None:
    """Stop listening; a local path goes away."""
    if address.is_local and not address.path.startswith("@"):
        # Before closing: from then on the path may be another's.
        with contextlib.suppress(OSError):
            os.unlink(address.path)
    listening.close()


def begin_to_connect(family: int, target: Any) -> network.socket:
    """Return a socket on its way to `target`; it becomes writable when it is there, or failed.

    Raises:
        OSError: it failed at once; nothing is left open.
    """
    made = network.socket(family, network.SOCK_STREAM)
    try:
        prepare(made)
        failure = made.connect_ex(target)
        if failure not in (0, errno.EINPROGRESS):
            raise OSError(failure, os.strerror(failure))
    except BaseException:
        made.close()
        raise
    return made


def local_target(address: Address) -> str:
    """Return what the system takes for a local path."""
    return "\0" + address.path[1:] if address.path.startswith("@") else address.path


def prepare(connection: network.socket) -> None:
    """Set what every connection has: it never waits, and a machine that vanishes is noticed."""
    connection.setblocking(False)
    if connection.family == _LOCAL:
        return
    set_option = connection.setsockopt
    set_option(network.IPPROTO_TCP, network.TCP_NODELAY, 1)
    set_option(network.SOL_SOCKET, network.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", _KEEPALIVE_S),
        ("TCP_KEEPINTVL", _KEEPALIVE_S),
        ("TCP_KEEPCNT", _KEEPALIVE_COUNT),
        ("TCP_USER_TIMEOUT", _KEEPALIVE_S * _KEEPALIVE_COUNT * 1000),
    ):
        if hasattr(network, name):
            set_option(network.IPPROTO_TCP, getattr(network, name), value)


def reason_of(error: Exception) -> str:
    """Word what went wrong with an address."""
    number = getattr(error, "errno", None)
    if isinstance(error, network.gaierror):
        return "no such host or interface on this machine"
    if number == errno.EADDRINUSE:
        return "already in use; is another node running there?"
    if number == errno.EADDRNOTAVAIL:
        return "no such host or interface on this machine"
    if number in (errno.ENOENT, errno.ENOTDIR):
        return "its folder does not exist"
    if number == errno.ENAMETOOLONG or "too long" in str(error):
        return "the path is too long for a local socket (107 bytes at most)"
    return os.strerror(number) if number else str(error)


def _listen_locally(address: Address) -> network.socket:
    if _LOCAL is None:
        raise TransportError(f"cannot listen on {address.text!r}: no local sockets here")
    target = local_target(address)
    made = network.socket(_LOCAL, network.SOCK_STREAM)
    try:
        if not address.path.startswith("@"):
            _clear_path(made, address)
        return _listening(made, target)
    except BaseException:
        made.close()
        raise


def _clear_path(probe_kind: network.socket, address: Address) -> None:
    """Remove what a node that was killed left at the path, unless somebody listens there.

    Raises:
        OSError: EADDRINUSE: somebody does, or it is no socket.
    """
    try:
        is_socket = stat.S_ISSOCK(os.stat(address.path).st_mode)
    except FileNotFoundError:
        return
    if not is_socket:
        raise OSError(errno.EADDRINUSE, "a file that is no socket")
    with network.socket(probe_kind.family, network.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(address.path)
        except ConnectionRefusedError:
            os.unlink(address.path)
            return
        except (BlockingIOError, TimeoutError):
            pass  # so many wait there that there is no room for another
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def _listen_at(family: int, target: Any) -> network.socket:
    made = network.socket(family, network.SOCK_STREAM)
    try:
        made.setsockopt(network.SOL_SOCKET, network.SO_REUSEADDR, 1)
        if family == network.AF_INET6:
            made.setsockopt(network.IPPROTO_IPV6, network.IPV6_V6ONLY, 0)
        return _listening(made, target)
    except BaseException:
        made.close()
        raise


def _listening(made: network.socket, target: Any) -> network.socket:
    made.bind(target)
    made.listen(_LISTEN_BACKLOG)
    made.setblocking(False)
    return made
