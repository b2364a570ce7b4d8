"""Services found by name: balanced over the living, and never over the dead."""

import asyncio

from coord import aio
from recipes.balancer import Balancer, Policy
from recipes.registry import Instance, Registry

PREFIX = "examples/services/"


async def main() -> None:
    async with aio.connect() as client:
        registry = Registry(client, PREFIX)
        big = Instance("10.0.0.1:80", weight=2, metadata={"zone": "north"})
        small = Instance("10.0.0.2:80")

        async with registry.follow("search") as instances:
            async with registry.register("search", small, ttl_ms=5000):
                async with registry.register("search", big, ttl_ms=5000):
                    await instances.until(lambda: len(instances.living) == 2)
                    for instance in await registry.lookup("search"):
                        print(instance.address, dict(instance.metadata))
                    balancer = Balancer(instances, Policy.WEIGHTED)
                    print("picked", *(balancer.pick().address for _ in range(3)))
                # The big one has stopped: off the list at once, and its lease revoked.
                await instances.until(lambda: len(instances.living) == 1)
                print("picked", *(balancer.pick().address for _ in range(3)))
            await instances.until(lambda: not instances.living)
            print("nobody is left")


asyncio.run(main())
