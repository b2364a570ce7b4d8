"""One elected searcher builds the index, all receive it; one lost half-way is replaced."""

import asyncio

from coord import aio
from recipes.build import Build, Built
from recipes.election import Leadership
from recipes.errors import SessionLost

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
            return f"the index of {name}"

        async def search(name: str) -> Built | None:
            session = await client.session(ttl_ms=5000)
            sessions[name] = session
            try:
                return await build.take_part(session, lambda office: compute(name, office), name)
            except SessionLost:
                return None  # lost half-way
            finally:
                await session.close()

        sessions: dict[str, aio.Session] = {}
        doomed = asyncio.create_task(search("s1"))
        await half_way.wait()
        others = [asyncio.create_task(search(name)) for name in ("s2", "s3")]
        await client.revoke(sessions["s1"].lease)  # as when its process is gone for too long
        everybody = await asyncio.gather(doomed, *others)
        results = [built for built in everybody if built is not None]
        builder = {built.value.decode() for built in results}
        print(everybody.count(None), "is lost;", len(results), "have", len(builder), "index")
        late = await build.wait()
        print("who comes later has the same:", late in results)


asyncio.run(main())
