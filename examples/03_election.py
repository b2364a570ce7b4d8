"""Two candidates, one office: the second leads when the first is gone, and only then."""

import asyncio

from coord import aio, ops
from recipes.election import Election


async def main() -> None:
    async with aio.connect() as client:
        election = Election(client, "examples/office/")
        async with client.session(ttl_ms=5000) as second_session:
            async with client.session(ttl_ms=5000) as first_session:
                first = await election.campaign(first_session, "first")
                print("elected: first")
                waiting = asyncio.create_task(election.campaign(second_session, "second"))

                write = [ops.put("examples/written-by", "first")]
                reply = await client.txn([first.guard()], write)
                print("first may write:", reply.succeeded)
            # Leaving the session revokes its lease, as a crash would a little later.
            second = await waiting
            print("elected: second, with a greater token:", second.token > first.token)
            reply = await client.txn([first.guard()], write)
            print("first may write:", reply.succeeded)
            await second.resign()


asyncio.run(main())
