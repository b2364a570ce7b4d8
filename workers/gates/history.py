"""What happened to a gate: notes, the newest hundred of which are kept."""

from coord.client import ops
from coord.requests import Put, TxnOp
from recipes.port import KeyStore
from workers.gates.gate import GatePlaces, Note, encode

HISTORY_MAX = 100  # notes kept of one gate
HISTORY_SLACK = 20  # beyond which they are cut back


def noting(places: GatePlaces, name: str, note: Note) -> Put:
    """Return what adds a note to a gate's history."""
    return ops.put(places.history(name), encode(note), sequence=True)


async def forgetting(client: KeyStore, places: GatePlaces, name: str) -> list[TxnOp]:
    """Return what cuts a gate's history back, where it has grown too long."""
    prefix = places.history(name)
    count = (await client.get(prefix, prefix=True, count_only=True)).count
    if count < HISTORY_MAX + HISTORY_SLACK:
        return []
    old = await client.get(prefix, prefix=True, limit=count - HISTORY_MAX)
    return [ops.delete(kv.key) for kv in old.kvs[:HISTORY_MAX]]
