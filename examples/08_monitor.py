"""Who comes, who leaves, who vanishes: told at once, or when the heart-beats stop."""

import asyncio

from coord import aio
from recipes.membership import Group
from recipes.monitor import Monitor, Sighting

PREFIX = "examples/nodes/"


async def main() -> None:
    async with aio.connect() as client:
        await client.delete(PREFIX, prefix=True)
        group = Group(client, PREFIX)
        sightings: asyncio.Queue[Sighting] = asyncio.Queue()

        async with Monitor(client, PREFIX) as monitor:
            monitor.on(sightings.put_nowait)
            async with group.join("n1", "ready") as n1:
                await n1.update("busy")
            for _ in range(3):
                seen = await sightings.get()
                print(seen.name, seen.what.value, seen.value.decode())

            # A process that dies stops renewing its lease; this one never renews it at all.
            lease = (await client.grant(ttl_ms=300)).lease
            await client.put(PREFIX + "n2", "doomed", lease=lease)
            for _ in range(2):
                seen = await sightings.get()
                print(seen.name, seen.what.value, seen.value.decode())
            print("left:", monitor.present)


asyncio.run(main())
