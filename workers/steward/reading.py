"""Reading many keys at once, whatever their size: too large an answer is asked for in halves."""

from collections.abc import Sequence

from coord.client import ops
from coord.errors import CoordError, ErrorCode
from coord.model import KeyValue
from coord.requests import RangeReply
from workers.port import JobClient

KEYS_MAX = 500  # in one read


async def read_keys(client: JobClient, keys: Sequence[bytes]) -> list[KeyValue | None]:
    """Return what stands under each key, None where nothing does.

    Keys beyond `KEYS_MAX`, and very large ones, may be as of different revisions.
    """
    found: list[KeyValue | None] = []
    for first in range(0, len(keys), KEYS_MAX):
        found += await _read(client, keys[first : first + KEYS_MAX])
    return found


async def _read(client: JobClient, keys: Sequence[bytes]) -> list[KeyValue | None]:
    try:
        reply = await client.txn(success=[ops.get(key) for key in keys])
    except CoordError as error:
        if error.code is not ErrorCode.REPLY_TOO_LARGE or len(keys) == 1:
            raise
        half = len(keys) // 2
        return [*await _read(client, keys[:half]), *await _read(client, keys[half:])]
    found: list[KeyValue | None] = []
    for answer in reply.replies:
        assert isinstance(answer, RangeReply)
        found.append(answer.kvs[0] if answer.kvs else None)
    return found
