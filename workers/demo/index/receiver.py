"""What every worker does about a finished index: learns of it by watch, fetches it, checks it."""

import asyncio
from pathlib import Path

import msgspec

from recipes.mirror import Mirror
from recipes.port import KeyStore
from workers.demo.index import keys
from workers.demo.index.files import copy_file, digest_of
from workers.settings import Tally


async def receive(client: KeyStore, name: str, directory: Path, tally: Tally) -> None:
    """Wait until an index is published, copy it into `directory`, report under our key.

    Reads before it watches, so a worker that starts late learns of it as well.
    """
    async with Mirror(client, keys.PUBLISHED, prefix=False) as mirror:
        while (found := mirror.keys.get(keys.PUBLISHED)) is None:
            await mirror.change()
    published = msgspec.json.decode(found.value, type=keys.Published)
    target = directory / f"{name}.db"
    await asyncio.to_thread(copy_file, Path(published.path), target)
    digest = await asyncio.to_thread(digest_of, target)
    received = keys.Received(
        path=str(target),
        digest=digest,
        verified=digest == published.digest,
        completed=tally.completed,
        stale=tally.stale,
    )
    await client.put(keys.RECEIVED + name.encode(), msgspec.json.encode(received))
