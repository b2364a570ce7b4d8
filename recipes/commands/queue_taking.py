"""What `coord queue take` does with each item: print it, or run a command with it on stdin.

Nothing taken is kept by accident: an item that was neither completed nor recorded as failed is
handed back, and said so, before the command ends; if it cannot even do that, it goes back with the
session.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

import click
from attrs import define, field, frozen

from coord.cli.exits import ExitCode
from coord.errors import CoordError
from recipes.commands.queue_gate import QueueGate
from recipes.commands.running import NOT_EXECUTABLE, NOT_FOUND, Stage, lost
from recipes.consumer import Consumer
from recipes.errors import SessionLost, StaleClaim
from recipes.port import KeptLease, KeyStore
from recipes.queue import Claimed
from recipes.waiting import until_gone, while_kept

HAND_BACK_S = 1.0

Tell = Callable[[Claimed, str], None]
"""Prints one item and what became of it."""


@frozen
class Wanted:
    """What to take: how many (0: until told to end), and how long to wait for each.

    `wait_ms` 0 does not wait at all; None waits for ever.
    """

    count: int
    wait_ms: int | None
    command: Sequence[str]


@define
class Taking:
    """One run of `coord queue take`."""

    client: KeyStore
    session: KeptLease
    consumer: Consumer
    gate: QueueGate
    stage: Stage
    tell: Tell
    _taken: int = field(default=0, init=False)
    _code: int = field(default=0, init=False)

    async def run(self, wanted: Wanted) -> int:
        """Take item after item.

        Returns:
            0 when all were completed, else the exit code of the last that was not; 4 when there
            was none to take.
        """
        try:
            while not wanted.count or self._taken < wanted.count:
                item = await self._next(wanted.wait_ms)
                if item is None:
                    break
                self._taken += 1
                if not await self._treat(item, wanted.command):
                    break
                if self.stage.stopped_by is not None:
                    break
        except SessionLost:
            return lost("session")
        finally:
            await self._hand_back()
        return self._ended(wanted)

    def _ended(self, wanted: Wanted) -> int:
        if self._code:
            return self._code
        if self.stage.stopped_by is not None and self._taken != wanted.count:
            return 128 + self.stage.stopped_by
        if not self._taken:
            click.echo("coord: nothing to take", err=True)
            return ExitCode.UNAVAILABLE
        return ExitCode.OK

    async def _next(self, wait_ms: int | None) -> Claimed | None:
        if wait_ms == 0:
            found = await self.consumer.try_take() if await self.gate.passed() else []
        else:
            try:
                async with asyncio.timeout(None if wait_ms is None else wait_ms / 1000):
                    found = await self.consumer.take()
            except TimeoutError:
                return None
        return found[0] if found else None

    async def _treat(self, item: Claimed, command: Sequence[str]) -> bool:
        """Return whether to go on to the next item."""
        if not command:
            self.tell(item, "taken")
            return await self._complete(item)
        told = {
            "COORD_ITEM_ID": item.id,
            "COORD_ITEM_ATTEMPT": str(item.attempt),
            "COORD_ITEM_TOKEN": str(item.token),
        }
        code = await self.stage.command(command, told, lambda: self._ended_claim(item), item.body)
        if code is None:
            self.tell(item, "lost")
            self._code = lost("item")
            return not self.session.lost.is_set()
        if code == 0:
            if completed := await self._complete(item):
                self.tell(item, "completed")
            return completed
        self._code = code
        if code in (NOT_EXECUTABLE, NOT_FOUND) or self.stage.stopped_by is not None:
            return False  # not the item's fault: it is handed back on the way out
        await self._fail(item, code)
        return True

    async def _complete(self, item: Claimed) -> bool:
        try:
            await self.consumer.complete(item)
        except StaleClaim:
            self._code = lost("item")
            return False
        return True

    async def _fail(self, item: Claimed, code: int) -> None:
        try:
            again = await self.consumer.fail(item, f"exit code {code}")
        except StaleClaim:
            self._code = lost("item")
            return
        self.tell(item, "returned" if again else "buried")
        after = "given back" if again else "buried"
        click.echo(f"coord: {item.id}: exit code {code}, {after} after attempt {item.attempt}",
                   err=True)  # fmt: skip

    async def _ended_claim(self, item: Claimed) -> None:
        with suppress(SessionLost):
            await while_kept(
                self.session, until_gone(self.client, item.key, item.token, item.token)
            )

    async def _hand_back(self) -> None:
        for item in self.consumer.holding:
            with suppress(CoordError, TimeoutError):
                async with asyncio.timeout(HAND_BACK_S):
                    if await self.consumer.give_back(item):
                        click.echo(f"coord: {item.id} was handed back", err=True)
                        with suppress(OSError):  # what reads us may be gone: that is told above
                            self.tell(item, "returned")
