"""Log collectors share an application's machines; only what moves stops when either changes."""

import asyncio
from collections import Counter

from coord import aio, ops
from recipes.live import Live
from recipes.partitioner import Partitioner, Share

PREFIX = "examples/collect/web/"


def holders(claims: Live) -> dict[str, int]:
    """Return how many machines each collector holds."""
    return Counter(kv.value.decode() for kv in claims.keys.values())


def tokens(claims: Live) -> set[int]:
    return {kv.create_revision for kv in claims.keys.values()}


async def main() -> None:
    async with aio.connect() as client:
        await client.delete(PREFIX, prefix=True)

        async def collect(share: Share) -> None:
            # What a collector writes carries its guard: one that lost the machine is refused.
            await client.txn([share.guard()], [ops.put(f"examples/lines/{share.item}", "...")])
            await asyncio.Event().wait()  # here it would read lines, until the machine moves

        first, second = (Partitioner(client, PREFIX, name, ttl_ms=5000) for name in ("c1", "c2"))
        async with Live(client, PREFIX + "claims/") as claims:
            for number in range(1, 5):
                await first.add(f"10.0.0.{number}")  # anybody may, at any time
            running = asyncio.create_task(first.run(collect))
            await claims.until(lambda: holders(claims) == {"c1": 4})
            print("alone, c1 holds all 4")

            before = tokens(claims)
            joining = asyncio.create_task(second.run(collect))
            await claims.until(lambda: holders(claims) == {"c1": 2, "c2": 2})
            print("c2 has come: 2 each;", len(before & tokens(claims)), "never stopped")

            await first.add("10.0.0.5")
            await first.add("10.0.0.6")
            await claims.until(lambda: holders(claims) == {"c1": 3, "c2": 3})
            print("two machines have come: 3 each")

            running.cancel()
            await claims.until(lambda: holders(claims) == {"c2": 6})
            print("c1 has gone: c2 holds all 6")
            joining.cancel()
            await asyncio.gather(running, joining, return_exceptions=True)


asyncio.run(main())
