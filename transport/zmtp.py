"""A node's transport, and how its process opens it.

A node speaks ZeroMQ's wire protocol itself, on its loop's own thread, instead of through libzmq:
there every message changes threads twice at each end, which cost a lone write a sixth of its
time. Clients use libzmq (transport.zeromq_channel); any ZeroMQ library can talk to a node.
"""

from typing import NamedTuple

from transport.base import OnRefused, ignore_refusal
from transport.settings import LinkSettings
from transport.zmtp_clients import ZmtpListener
from transport.zmtp_peers import ZmtpPeers
from transport.zmtp_poller import Poller


class NodeTransport(NamedTuple):
    """All a node process needs of the network."""

    peers: ZmtpPeers
    listener: ZmtpListener
    poller: Poller

    def close(self) -> None:
        """Release the addresses; what was queued to clients may still leave."""
        self.peers.close()
        self.listener.close()
        self.poller.close()


def open_node_transport(
    listen_peer: str,
    listen_client: str,
    *,
    peer_settings: LinkSettings | None = None,
    client_settings: LinkSettings | None = None,
    on_refused: OnRefused = ignore_refusal,
) -> NodeTransport:
    """Listen for peers and for clients, for one thread to use.

    Args:
        listen_peer: tcp://HOST:PORT or ipc://PATH; port 0 takes a free one (see `.address`).
        listen_client: likewise, another address.
        peer_settings: bounds between nodes.
        client_settings: bounds between this node and its clients.
        on_refused: told of each message or connection that was turned away.

    Returns:
        Peers (none connected yet), listener, and the poller over both.

    Raises:
        TransportError: an address is taken or wrong; nothing is left open.
    """
    poller = Poller()
    peers: ZmtpPeers | None = None
    try:
        peers = ZmtpPeers(listen_peer, peer_settings or LinkSettings(), poller, on_refused)
        listener = ZmtpListener(
            listen_client, client_settings or LinkSettings(), poller, on_refused
        )
    except Exception:
        if peers is not None:
            peers.close()
        poller.close()
        raise
    return NodeTransport(peers, listener, poller)


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
