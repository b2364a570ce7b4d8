"""What the job framework asks of its client: what recipes ask, and leases of its own.

The asyncio client of coord fits, and so does the local one of the tests.
"""

from typing import Protocol

from coord.requests import LeaseGrantReply
from recipes.port import SessionStore


class JobClient(SessionStore, Protocol):
    """The requests the framework makes; each means what coord.client.Client says it means."""

    async def grant(self, ttl_ms: int, lease: int = 0) -> LeaseGrantReply:
        """Make a lease that nobody renews."""
        ...
