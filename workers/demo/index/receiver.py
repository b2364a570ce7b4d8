"""What every worker does about a finished index: learns of it by watch, fetches it, checks it."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import msgspec

from recipes.mirror import Mirror
from recipes.port import KeyStore
from workers.demo.index import keys
from workers.demo.index.files import copy_file, digest_of
from workers.running.tally import Tally


async def receive(client: KeyStore, name: str, directory: Path, tallies: Sequence[Tally]) -> None:
    """Fetch each published index into `directory` and report it under our key, until cancelled.

    Reads before it watches, so a worker that starts late learns of the newest as well.
    """
    has = ""
    async with Mirror(client, keys.PUBLISHED, prefix=False) as mirror:
        while True:
            found = mirror.keys.get(keys.PUBLISHED)
            if found is not None:
                published = msgspec.json.decode(found.value, type=keys.Published)
                if published.build != has:
                    await _fetch(client, name, directory, published, tallies)
                    has = published.build
                    continue
            await mirror.change()


async def _fetch(
    client: KeyStore,
    name: str,
    directory: Path,
    published: keys.Published,
    tallies: Sequence[Tally],
) -> None:
    target = directory / f"{name}.db"
    await asyncio.to_thread(copy_file, Path(published.path), target)
    digest = await asyncio.to_thread(digest_of, target)
    received = keys.Received(
        build=published.build,
        path=str(target),
        digest=digest,
        verified=digest == published.digest,
        done=sum(tally.done for tally in tallies),
        stale=sum(tally.stale for tally in tallies),
    )
    await client.put(keys.RECEIVED + name.encode(), msgspec.json.encode(received))
