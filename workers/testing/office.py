"""A term of office without a campaign, for tests of single chores."""

from coord.client import ops
from coord.requests import Compare
from workers.model.places import Places
from workers.port import JobClient
from workers.steward.chore import Term


class HeldOffice:
    """Held until `key` goes."""

    def __init__(self, key: bytes, token: int) -> None:
        self.key = key
        self._token = token

    def guard(self) -> Compare:
        """Return the condition that makes a transaction fail once the key is gone."""
        return ops.created(self.key, "==", self._token)


async def new_term(client: JobClient, places: Places) -> Term:
    """Begin a term; any before it, of the same space, ends."""
    key = places.steward + b"test"
    await client.txn(success=[ops.delete(key)])
    reply = await client.put(key)
    return Term(client, places, HeldOffice(key, reply.revision))
