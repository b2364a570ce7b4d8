"""One elected searcher builds the index, all receive it; one lost half-way is replaced."""

import asyncio

from coord import aio
from recipes.build import Build, Built
from recipes.election import Leadership

PREFIX = "examples/index/"


async def main() -> None:
    async with aio.connect() as client:
        await client.delete(PREFIX, prefix=True)
        build = Build(client, PREFIX)
        half_way = asyncio.Event()

        async def compute(name: str, leadership: Leadership) -> str:
            print("s1 builds" if name == "s1" else "the next in line builds")
            if name == "s1":
                half_way.set()
                await asyncio.Event().wait()  # it never gets to the end
            return "all that can be found"

        async def search(name: str) -> Built:
            async with client.session(ttl_ms=5000) as session:
                return await build.take_part(session, lambda office: compute(name, office), name)

        doomed = asyncio.create_task(search("s1"))
        await half_way.wait()
        others = [asyncio.create_task(search(name)) for name in ("s2", "s3")]
        doomed.cancel()  # its session ends, as it would a little later if it had crashed
        await asyncio.wait((doomed,))
        results = await asyncio.gather(*others)
        print(len(results), "have", len(set(results)), "index:", results[0].value.decode())
        print("who comes later has the same:", await build.wait() == results[0])


asyncio.run(main())
