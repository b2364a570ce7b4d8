"""A queue that loses nothing: a worker dies with an item in its hands, another completes it."""

import asyncio

from coord import aio
from recipes.consumer import Consumer
from recipes.errors import StaleClaim
from recipes.queue import Queue


async def main() -> None:
    async with aio.connect() as client:
        await client.delete("examples/queue/", prefix=True)
        queue = Queue(client, "examples/queue/")
        for body in ("one", "two", "three"):
            await queue.put(body)

        careless_session = await client.session(ttl_ms=5000)
        careless = Consumer(queue, careless_session, "careless")
        (lost,) = await careless.take()
        print("careless holds", lost.body.decode())
        await careless_session.close()  # it "dies": the item is back in its place in line

        async with client.session(ttl_ms=5000) as session:
            careful = Consumer(queue, session, "careful")
            for item in await careful.take(10):
                await careful.complete(item, {"length": len(item.body)})
                print("careful completed", item.body.decode(), "attempt", item.attempt)

        try:
            await careless.complete(lost, "late")
        except StaleClaim:
            print("the late completion was refused")
        counts = await queue.counts()
        print(counts.done, "done,", counts.ready, "waiting")


asyncio.run(main())
