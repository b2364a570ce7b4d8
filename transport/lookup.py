"""Finding where an address leads without making the node's loop wait for a name server."""

import socket as network
import threading
from typing import Any

from transport.addresses import Address, local_target

Target = tuple[int, Any]
"""An address family, and what a socket of it connects to."""


class Lookup:
    """One question, asked when it is made. Numbers and local paths are answered at once."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self.found: list[Target] = []
        """Where to connect, best first; empty if there is no such host."""
        self.is_over = True
        """Whether `found` is the answer."""
        if address.is_local:
            self.found = [(network.AF_UNIX, local_target(address))]
            return
        try:
            self.found = self._ask(network.AI_NUMERICHOST)
        except (OSError, ValueError):
            self.is_over = False
            # Not waited for: a name server that never answers must not keep a process alive.
            asking = threading.Thread(target=self._ask_for_name, name="coord-lookup", daemon=True)
            try:
                asking.start()
            except RuntimeError:
                self.is_over = True  # no more threads now: as good as no answer

    def _ask_for_name(self) -> None:
        try:
            self.found = self._ask(0)
        except (OSError, ValueError):
            self.found = []
        finally:
            self.is_over = True

    def _ask(self, flags: int) -> list[Target]:
        answers = network.getaddrinfo(
            self._address.host, self._address.port, type=network.SOCK_STREAM, flags=flags
        )
        return [(int(family), target) for family, _, _, _, target in answers]
