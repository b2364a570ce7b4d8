"""Settings changed at run time, as values of the right type; a bad one changes nothing."""

import asyncio

from coord import aio
from recipes.config import Config

PREFIX = "examples/settings/"


async def main() -> None:
    async with aio.connect() as client:
        await client.delete(PREFIX, prefix=True)
        await client.put(PREFIX + "rate", "100")

        config = Config(client, PREFIX)
        rate = config.setting("rate", int, 1)
        hosts = config.setting("hosts", list[str], [])
        rate.on_change(lambda value: print("rate is now", value))
        async with config:
            print("at start", rate.value, hosts.value)

            await client.put(PREFIX + "rate", "250")  # somebody at a console
            await client.put(PREFIX + "hosts", '["10.0.0.7"]')
            await config.until(lambda: hosts.value == ["10.0.0.7"])
            print("followed", rate.value, hosts.value)

            await client.put(PREFIX + "rate", "plenty")
            await config.until(lambda: "rate" in config.problems)
            print("still", rate.value)
            print("because", config.problems["rate"])


asyncio.run(main())
