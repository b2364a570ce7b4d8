"""A lock: held in order of arrival, fenced, free when its holder dies; only its holder lets go."""

import asyncio

from coord import aio, ops
from recipes.errors import NotHolder, StillHeld
from recipes.lock import Lock


async def main() -> None:
    async with aio.connect() as client:
        lock = Lock(client, "examples/lock")
        write = [ops.put("examples/written-under-lock", "something")]
        doomed = await client.session(ttl_ms=5000)
        async with client.session(ttl_ms=5000) as ann, client.session(ttl_ms=5000) as bob:
            lost = await lock.acquire(doomed)
            print("trying, bob gets it:", await lock.try_acquire(bob) is not None)
            try:
                await lock.acquire(bob, timeout_ms=50)
            except StillHeld:
                print("bob waited for a while, and left the line")

            next_one = asyncio.create_task(lock.acquire(ann))
            last_one = asyncio.create_task(lock.acquire(bob))
            await doomed.close()  # its process "dies"
            ann_holds = await next_one
            print("ann came first; her token is greater:", ann_holds.token > lost.token)
            print("the dead one may write:", (await client.txn([lost.guard()], write)).succeeded)
            print("ann may write:", (await client.txn([ann_holds.guard()], write)).succeeded)

            once_more = await lock.acquire(ann)  # the same session may enter again
            await once_more.release()
            print("ann let go once, bob holds it:", last_one.done())
            await ann_holds.release()
            async with await last_one:
                print("ann let go twice, bob holds it: True")
                try:
                    await ann_holds.release()
                except NotHolder:
                    print("what bob holds, ann cannot let go")
        print("left in line:", len(await lock.contenders()))


asyncio.run(main())
