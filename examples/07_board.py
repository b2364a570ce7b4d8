"""A console changes schedules; two push clients act, one of them after a nap."""

import asyncio

from coord import aio
from recipes.board import Notice, NoticeBoard

PREFIX = "examples/board/"


async def main() -> None:
    async with aio.connect() as client:
        await client.delete(PREFIX, prefix=True)
        board = NoticeBoard(client, PREFIX)
        start = await board.write("mail", "every hour")

        awake = board.follow(start)
        await board.write("mail", "every minute")
        await board.append("flush all caches")
        await board.take_down("mail")

        seen = 0
        async for notices in awake:
            for notice in notices:
                said = "taken down" if notice.body is None else notice.body.decode()
                print("awake:", "mail" if notice.subject == "mail" else "notice", said)
                seen += 1
            if seen == 3:
                break
        await awake.aclose()

        # The other one was asleep all the while; its bookmark is where it goes on.
        napping = board.follow(start)
        missed: list[Notice] = []
        while len(missed) < 3:
            missed.extend(await anext(napping))
        await napping.aclose()
        print(
            "after its nap:",
            len(missed),
            "changes, in order:",
            missed == sorted(missed, key=lambda notice: notice.revision),
        )


asyncio.run(main())
