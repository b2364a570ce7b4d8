"""Whether an address of this machine is free, asked before a node is started on it."""

import socket


def is_free(host: str, port: int) -> bool:
    """Say whether a node could listen there at this moment."""
    with socket.socket() as probe:
        # As ZeroMQ does: a port whose last connections are only winding down is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
