"""Progress: how far each task is, under a lease, so that it vanishes with whoever reports it.

Guarantee: what a board shows of a task was reported by a living session (or one that died less
than its time to live ago). The last report of a task always arrives; those in between may be
passed over for a newer one, so reporting often is cheap: one put in flight per reporter.

What breaks it: nothing is kept. What must outlive the reporter belongs in a key without a lease.

Cost: one put for all reports made while the last was under way; a board costs one read, one watch.
"""

import asyncio
import contextlib
from collections.abc import Iterable
from types import TracebackType
from typing import Self

import msgspec

from coord.client import ops
from coord.client.ops import Text
from coord.errors import CoordError, MaybeDone, Unavailable
from coord.limits import TXN_OPS_MAX
from coord.model import KeyValue
from coord.requests import Put, Txn
from recipes.decoding import UNREADABLE, encoded
from recipes.errors import SessionLost, session_ends
from recipes.mirror import Mirror
from recipes.port import KeptLease, KeyStore

RETRY_S = 0.2
SENT_BYTES = 1_000_000  # in one request, unless one report alone is larger
LEAVE_TIMEOUT_S = 1.0  # for the last report on the way out


class Progress(msgspec.Struct, frozen=True):
    """How far a task is: `done` of `total` (0: not known), by whom, and in words."""

    done: int = 0
    total: int = 0
    message: str = ""
    by: str = ""


def rolled_up(tasks: Iterable[Progress]) -> Progress:
    """Return how far many tasks are together; the total is not known while one's is not."""
    parts = tuple(tasks)
    is_known = all(part.total for part in parts)
    return Progress(
        done=sum(part.done for part in parts),
        total=sum(part.total for part in parts) if is_known else 0,
        message=f"{len(parts)} tasks",
    )


class Reporter:
    """Reports the tasks of one session. Use as `async with Reporter(client, session, prefix)`."""

    def __init__(self, client: KeyStore, session: KeptLease, prefix: Text, by: str = "") -> None:
        self._client = client
        self._session = session
        self._prefix = ops.key_bytes(prefix)
        self._by = by
        self._unsent: dict[str, Progress | None] = {}
        self._news = asyncio.Event()
        self._sender: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._sender = asyncio.create_task(self._send_for_ever(), name="progress reports")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._sender is not None
        self._sender.cancel()
        await asyncio.wait((self._sender,))
        if not self._sender.cancelled():
            self._sender.result()
        if self._unsent and not self._session.lost.is_set():
            with contextlib.suppress(CoordError, TimeoutError):
                async with asyncio.timeout(LEAVE_TIMEOUT_S):
                    while self._unsent:
                        await self._send()

    def report(self, task: str, done: int, total: int = 0, message: str = "") -> None:
        """Say how far `task` is; returns at once.

        Raises:
            Misuse: the task's name or the message is too long or no text, or a number is not whole.
        """
        ops.natural(done=done, total=total)
        progress = Progress(done, total, message, self._by)
        self._put(task, progress)  # what could not be sent would keep all others from it
        self._unsent[task] = progress
        self._news.set()

    def clear(self, task: str) -> None:
        """Take `task` off the board; returns at once.

        Raises:
            Misuse: no task can have that name.
        """
        self._removal(task)
        self._unsent[task] = None
        self._news.set()

    async def _send_for_ever(self) -> None:
        while not self._session.lost.is_set():
            await self._news.wait()
            self._news.clear()
            try:
                with session_ends():
                    await self._send()
            except SessionLost:
                return
            except (Unavailable, MaybeDone):
                # Repeating a report does no harm; a cluster that is away wants to be left a moment.
                await asyncio.sleep(RETRY_S)
                self._news.set()

    def _put(self, task: str, progress: Progress) -> Put:
        return ops.put(self._key(task), encoded(progress), lease=self._session.lease)

    def _removal(self, task: str) -> Txn:
        key = self._key(task)
        # Only our own: whoever has the task by now may have reported on it.
        return ops.txn([ops.leased(key, "==", self._session.lease)], [ops.delete(key)])

    def _key(self, task: str) -> bytes:
        return self._prefix + ops.text_bytes(task)

    def _next(self) -> tuple[dict[str, Progress | None], list[Put | Txn]]:
        """Return what one request can hold of the unsent, and the steps that send it."""
        sending: dict[str, Progress | None] = {}
        steps: list[Put | Txn] = []
        size_bytes = 0
        for task, progress in self._unsent.items():
            step = self._removal(task) if progress is None else self._put(task, progress)
            size_bytes += ops.size_bytes(step)
            if steps and (size_bytes > SENT_BYTES or len(steps) == TXN_OPS_MAX):
                break
            sending[task] = progress
            steps.append(step)
        return sending, steps

    async def _send(self) -> None:
        sending, steps = self._next()
        if steps:
            await self._client.txn(success=steps)
        for task, progress in sending.items():
            if self._unsent.get(task, ...) is progress:
                del self._unsent[task]
        if self._unsent:
            self._news.set()


class Board:
    """All tasks of a prefix, live. Use as `async with Board(client, prefix) as board`."""

    def __init__(self, client: KeyStore, prefix: Text) -> None:
        self._prefix = ops.key_bytes(prefix)
        self._mirror = Mirror(client, prefix)

    async def __aenter__(self) -> Self:
        await self._mirror.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._mirror.__aexit__(kind, error, trace)

    @property
    def tasks(self) -> dict[str, Progress]:
        """How far each task is now, by name; values that are no report are left out."""
        shown = {}
        for key, kv in sorted(self._mirror.keys.items()):
            progress = _read(kv)
            if progress is not None:
                shown[key.removeprefix(self._prefix).decode(errors="replace")] = progress
        return shown

    async def change(self) -> None:
        """Wait until something changed."""
        await self._mirror.change()


def _read(kv: KeyValue) -> Progress | None:
    try:
        return msgspec.json.decode(kv.value, type=Progress)
    except UNREADABLE:
        return None
