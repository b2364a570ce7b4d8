"""Signal gate: a condition that a program, or a person at a console, opens and shuts.

Guarantee: nobody passes while the gate's key is not there. Whoever waits is told by watch, and
passes even if the gate is shut again in the same moment; whoever needs "open now" for certain puts
`guard()` into the transaction that acts. `opening()` can be part of a transaction too, so that a
signal and what it speaks of appear together.

What breaks it: nothing but reading "it was open" as "it is open".

Cost: opening, shutting, passing one round trip each; waiting one read and one watch.
"""

from coord.client import ops
from coord.client.ops import Text
from coord.errors import ErrorCode, Refused
from coord.model import EventKind, KeyValue
from coord.requests import Compare, DeleteRange, Put
from recipes.port import KeyStore, next_batch, only


class SignalGate:
    """One gate, named by the key whose presence opens it: `coord put KEY` opens it as well."""

    def __init__(self, client: KeyStore, key: Text) -> None:
        self._client = client
        self._key = ops.key_bytes(key)

    def guard(self) -> Compare:
        """Return the condition that makes a transaction fail while this gate is shut."""
        return ops.exists(self._key)

    def opening(self, message: Text = b"") -> Put:
        """Return the operation that opens the gate, for use in a transaction of yours."""
        return ops.put(self._key, message)

    def shutting(self) -> DeleteRange:
        """Return the operation that shuts the gate, for use in a transaction of yours."""
        return ops.delete(self._key)

    async def open(self, message: Text = b"") -> None:
        """Open the gate; `message` is for whoever looks."""
        await self._client.txn(success=[self.opening(message)])

    async def shut(self) -> None:
        """Shut the gate."""
        await self._client.txn(success=[self.shutting()])

    async def is_open(self) -> bool:
        """Tell whether the gate is open now."""
        return only(await self._client.get(self._key)) is not None

    async def wait(self) -> KeyValue:
        """Wait until the gate is open.

        Returns:
            The key that opened it, with the message.
        """
        while True:
            reply = await self._client.get(self._key)
            found = only(reply)
            if found is not None:
                return found
            try:
                return await self._signal(reply.revision + 1)
            except Refused as error:
                if error.code is not ErrorCode.COMPACTED:
                    raise

    async def _signal(self, start_revision: int) -> KeyValue:
        async with self._client.watch(self._key, start_revision=start_revision) as watch:
            while True:
                for event in (await next_batch(watch)).events:
                    if event.kind is EventKind.PUT:
                        return event.kv
