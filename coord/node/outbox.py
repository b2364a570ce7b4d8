"""Answers on their way out, and how much of them each connection has not taken yet.

A client that asks and never reads would have its answers gather here until memory ends. So a
connection may be owed a window of bytes; a client tells what it takes, long before the window
is full. What is asked beyond it is refused or dropped, and the client asks again.

Watches have a window of their own (coord.node.streams); their frames do not count here.
"""

from transport.base import ClientListener, SendResult


class Outbox:
    """What this node answers to its clients."""

    def __init__(self, clients: ClientListener, window_bytes: int, routes_max: int) -> None:
        """Begin with nothing owed.

        Args:
            clients: through whom answers leave.
            window_bytes: what one connection may be sent and not have taken.
            routes_max: connections counted at once; with more, the oldest starts anew.
        """
        self._clients = clients
        self._window_bytes = window_bytes
        self._routes_max = routes_max
        self._untaken_bytes: dict[bytes, int] = {}

    def is_full(self, route: bytes) -> bool:
        """Whether this connection has been sent a window of answers that it has not taken."""
        return self._untaken_bytes.get(route, 0) >= self._window_bytes

    def send(self, route: bytes, payload: bytes) -> None:
        """Queue one answer; a client that is gone or cannot be told more loses it."""
        result = self._clients.send(route, payload)
        if result is SendResult.SENT:
            untaken = self._untaken_bytes
            if route in untaken:
                untaken[route] += len(payload)
                return
            if len(untaken) >= self._routes_max:
                # Connections end without a word; the oldest are the likeliest to be gone.
                del untaken[next(iter(untaken))]
            untaken[route] = len(payload)
        elif result is SendResult.GONE:
            self._untaken_bytes.pop(route, None)

    def credit(self, route: bytes, taken_bytes: int) -> None:
        """Note that a connection took so much more."""
        untaken_bytes = self._untaken_bytes.get(route)
        if untaken_bytes is not None:
            self._untaken_bytes[route] = max(0, untaken_bytes - taken_bytes)
