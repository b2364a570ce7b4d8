"""The blocking face: a portal onto a background thread that runs the asyncio client.

Nothing is decided here. Every method is the asyncio one, called on the thread's event loop; many
threads may use one client at once. A client does not survive a fork: the child must make its own.
"""

from __future__ import annotations

import atexit
import functools
import threading
from collections.abc import Callable, Coroutine, Iterable
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, TypeVar

from coord.client import client as aio
from coord.client import connecting, session, watch
from coord.client.portal import Portal
from coord.client.settings import ReadFrom

P = ParamSpec("P")
R = TypeVar("R")


def _portal_method(
    method: Callable[Concatenate[aio.Client, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate[Client, P], R]:
    @functools.wraps(method)
    def call(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return self._portal.run(method(self._client, *args, **kwargs))

    return call


def _portal_watch(
    method: Callable[Concatenate[aio.Client, P], watch.Watch],
) -> Callable[Concatenate[Client, P], Watch]:
    @functools.wraps(method)
    def call(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> Watch:
        async def made() -> watch.Watch:
            return await method(self._client, *args, **kwargs)

        return Watch(self._portal, self._portal.run(made()))

    return call


class Watch:
    """Follows keys, as `coord.aio.Watch` does; an iterator. Made, it stands."""

    def __init__(self, portal: Portal, following: watch.Watch) -> None:
        self._portal = portal
        self._watch = following

    @property
    def revision(self) -> int:
        """The store's revision when the watch was first made."""
        return self._watch.revision

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self._watch.ended

    def __enter__(self) -> Watch:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.cancel()

    def __iter__(self) -> Watch:
        return self

    def __next__(self) -> watch.WatchBatch:
        batch = self.take()
        if batch is None:
            raise StopIteration
        return batch

    def take(self, timeout_ms: float | None = None) -> watch.WatchBatch | None:
        """Return the next batch, or None when the time passed or the watch has ended."""
        return self._portal.run(self._watch.take(timeout_ms))

    def cancel(self) -> None:
        """Stop following; another thread's iteration ends."""
        if self._portal.alive:
            self._portal.run(self._watch.cancel())


class Session:
    """A kept lease, as `coord.aio.Session` is; `lost` is a threading.Event.

    `on_lost` is called on the client's own thread: it must be short and not call the client.
    """

    def __init__(
        self,
        portal: Portal,
        client: aio.Client,
        ttl_ms: int,
        lease: int,
        on_lost: Callable[[], None] | None,
        resume: bool = False,
    ) -> None:
        self.lost = threading.Event()
        self._portal = portal
        self._on_lost = on_lost

        async def started() -> session.Session:
            return await client.session(ttl_ms, lease=lease, resume=resume, on_lost=self._lose)

        self._session = portal.run(started())
        self.lease = self._session.lease
        self.ttl_ms = self._session.ttl_ms

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop renewing and revoke the lease; see `coord.aio.Session.close`."""
        if self._portal.alive:
            self._portal.run(self._session.close())

    def suspend(self) -> None:
        """Stop renewing and leave the lease as it is; see `coord.aio.Session.suspend`."""

        async def suspended() -> None:
            self._session.suspend()

        if self._portal.alive:
            self._portal.run(suspended())

    def _lose(self) -> None:
        self.lost.set()
        if self._on_lost is not None:
            self._on_lost()


class Client:
    """A handle on a cluster, for any number of threads. Made by `coord.connect`.

    Same methods, arguments and errors as the asyncio client, `coord.aio.Client`.
    """

    def __init__(self, make: Callable[[], aio.Client]) -> None:
        self._portal = Portal()

        async def made() -> aio.Client:
            return await make()

        try:
            self._client = self._portal.run(made())
        except BaseException:
            self._portal.stop()
            raise
        atexit.register(self.close)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End sessions, watches and connections, then the thread. Closing twice does nothing."""
        atexit.unregister(self.close)
        if self._portal.alive:
            self._portal.run(self._client.close())
            self._portal.stop()

    put = _portal_method(aio.Client.put)
    get = _portal_method(aio.Client.get)
    delete = _portal_method(aio.Client.delete)
    txn = _portal_method(aio.Client.txn)
    claim = _portal_method(aio.Client.claim)
    give_back = _portal_method(aio.Client.give_back)
    compact = _portal_method(aio.Client.compact)
    grant = _portal_method(aio.Client.grant)
    revoke = _portal_method(aio.Client.revoke)
    keep_alive = _portal_method(aio.Client.keep_alive)
    time_to_live = _portal_method(aio.Client.time_to_live)
    leases = _portal_method(aio.Client.leases)
    status = _portal_method(aio.Client.status)
    statuses = _portal_method(aio.Client.statuses)
    hash_state = _portal_method(aio.Client.hash_state)
    snapshot_part = _portal_method(aio.Client.snapshot_part)
    transfer_leader = _portal_method(aio.Client.transfer_leader)
    watch = _portal_watch(aio.Client.watch)

    def session(
        self,
        ttl_ms: int = 10_000,
        *,
        lease: int = 0,
        resume: bool = False,
        on_lost: Callable[[], None] | None = None,
    ) -> Session:
        """Make or resume a lease and keep it alive; see `coord.aio.Client.session`."""
        return Session(self._portal, self._client, ttl_ms, lease, on_lost, resume)


def connect(
    endpoints: str | Iterable[str] | None = None,
    *,
    timeout_ms: float = 10_000.0,
    read_from: ReadFrom = "any",
) -> Client:
    """Make a client of a cluster; see `coord.aio.connect` for the arguments.

    Returns:
        A client to use as it is or in a `with` block; `close` it at the end.
    """
    return Client(lambda: connecting.connect(endpoints, timeout_ms=timeout_ms, read_from=read_from))
