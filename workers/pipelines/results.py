"""Results of a stage's jobs, read from where the pipeline keeps them, a page at a time.

They are there until the pipeline is forgotten, longer than a job's own `result_ttl_ms` may be.
"""

from collections.abc import AsyncIterator

import msgspec

from coord.client import ops
from coord.model import KeyValue
from recipes.port import KeyStore
from workers.model.ending import Ending, decode_ending
from workers.model.places import Places
from workers.model.states import State
from workers.pipelines.places import group_of

PAGE_ENDINGS = 64


async def endings(
    client: KeyStore, places: Places, pipeline: str, stage: str, after: str = ""
) -> AsyncIterator[tuple[str, Ending]]:
    """Yield (job id, how it ended) for each job of a stage that has, by queue, urgency, arrival.

    Args:
        client: whom to ask.
        places: of the space.
        pipeline: its id.
        stage: its name.
        after: the job id to go on after.
    """
    prefix = places.group_ended(group_of(pipeline, stage))
    end = ops.prefix_end(prefix)
    start = prefix + after.encode() + (b"\0" if after else b"")
    while True:
        reply = await client.get(start, range_end=end, limit=PAGE_ENDINGS)
        for kv in reply.kvs:
            ending = decode_ending(kv.value)
            if ending is not None:
                yield _job_of(kv, prefix), ending
        if not reply.more:
            return
        start = reply.kvs[-1].key + b"\0"


async def results(
    client: KeyStore, places: Places, pipeline: str, stage: str
) -> AsyncIterator[object]:
    """Yield the result of each job of a stage that has ended well; None where it returned none."""
    async for _, ending in endings(client, places, pipeline, stage):
        if ending.state is State.DONE:
            yield result_of(ending)


def result_of(ending: Ending) -> object:
    """Return what the job's function returned, as JSON or msgpack brings it back."""
    if ending.result_msgpack:
        return msgspec.msgpack.decode(ending.result_msgpack)
    return msgspec.json.decode(ending.result)


def _job_of(kv: KeyValue, prefix: bytes) -> str:
    return kv.key.removeprefix(prefix).decode(errors="replace")
