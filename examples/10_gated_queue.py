"""A queue held shut until enough has come, a task among it, and a program gives its word."""

import asyncio

from coord import aio
from recipes.conditions import AllOf, Present, Signal, Size
from recipes.consumer import Consumer
from recipes.gate import Gate
from recipes.queue import Queue

PREFIX = "examples/gated/"


async def main() -> None:
    async with aio.connect() as client, client.session(ttl_ms=5000) as session:
        await client.delete(PREFIX, prefix=True)
        queue = Queue(client, PREFIX + "queue/")
        for body in ("parse", "link"):
            await queue.put(body)
        check = await queue.put("check the input")  # it came last, and is to run first

        condition = AllOf(
            (
                Size(PREFIX + "queue/ready/", 4),
                Present(PREFIX + "queue/", check),
                Signal(PREFIX + "go"),
            )
        )
        gate = Gate(client, PREFIX + "gate", condition)
        await gate.declare()
        consumer = Consumer(queue, session, "worker", gate)
        print("while it is shut, taken:", len(await consumer.try_take(10)))
        for part in (await gate.explain()).verdict.of:
            print(f"  waits for {part.condition.replace(check, 'ID')}: {part.value}")

        taking = asyncio.create_task(consumer.take())
        await queue.put("publish")  # the fourth
        print("without the signal, open:", await gate.passed())
        await client.put(PREFIX + "go", "said ann")
        (item,) = await taking
        print("opened; first comes", item.body.decode())
        await consumer.complete(item)
        for item in await consumer.take(10):
            print("then", item.body.decode())
            await consumer.complete(item)
        verdict = (await gate.explain()).verdict
        print("the signal was given as:", verdict.of[2].met and verdict.of[2].met.by)


asyncio.run(main())
