"""The transport over ZeroMQ, and how a process opens it.

This module and its zeromq_* parts are the only ones that know ZeroMQ. A node process has one
context: one I/O thread beside the node's own loop.
"""

from typing import NamedTuple

import zmq

from transport.base import OnRefused, ignore_refusal
from transport.settings import LinkSettings
from transport.zeromq_channel import ZmqChannel, ZmqDialer
from transport.zeromq_clients import ZmqListener
from transport.zeromq_peers import ZmqPeers
from transport.zeromq_poller import ZmqPoller

__all__ = [
    "NodeTransport",
    "ZmqChannel",
    "ZmqDialer",
    "ZmqListener",
    "ZmqPeers",
    "ZmqPoller",
    "open_node_transport",
    "raise_file_limit",
]


class NodeTransport(NamedTuple):
    """All a node process needs of the network."""

    peers: ZmqPeers
    listener: ZmqListener
    poller: ZmqPoller
    context: "zmq.Context[zmq.Socket[bytes]]"

    def close(self) -> None:
        """Release the addresses and the I/O thread; what was queued to clients may still leave."""
        self.peers.close()
        self.listener.close()
        self.poller.close()
        self.context.term()


def open_node_transport(
    listen_peer: str,
    listen_client: str,
    *,
    peer_settings: LinkSettings | None = None,
    client_settings: LinkSettings | None = None,
    on_refused: OnRefused = ignore_refusal,
    io_threads: int = 1,
) -> NodeTransport:
    """Listen for peers and for clients, for one thread to use.

    Args:
        listen_peer: tcp://HOST:PORT or ipc://PATH; port 0 takes a free one (see `.address`).
        listen_client: likewise, another address.
        peer_settings: bounds between nodes.
        client_settings: bounds between this node and its clients.
        on_refused: told of each message or connection that was turned away.
        io_threads: ZeroMQ's own threads; one is enough for several gigabits a second.

    Returns:
        Peers (none connected yet), listener, and the poller over both.

    Raises:
        TransportError: an address is taken or wrong; nothing is left open.
    """
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context(io_threads=io_threads)
    peers: ZmqPeers | None = None
    try:
        peers = ZmqPeers(context, listen_peer, peer_settings or LinkSettings(), on_refused)
        listener = ZmqListener(
            context, listen_client, client_settings or LinkSettings(), on_refused
        )
    except Exception:
        if peers is not None:
            peers.close()
        context.term()
        raise
    poller = ZmqPoller([peers.socket, listener.socket], [peers.strangers, listener.strangers])
    return NodeTransport(peers, listener, poller, context)


def raise_file_limit() -> int:
    """Let this process open as many files and connections as the system allows it.

    A node out of descriptors cannot take in anybody, so this belongs at its start.

    Returns:
        The limit now in force; 0 where the system has none to raise.
    """
    try:
        import resource  # not everywhere
    except ImportError:
        return 0
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
