"""Line: places in order of arrival, each a key under its owner's lease. Locks are made of it.

A place is a key of its own; the revision that made it says who came first, and is its token. Who
waits watches one key, the nearest ahead that blocks it, and looks again when that is gone: so one
departure wakes one, however long the line. Looking reads one's own key too, in the same
transaction: a place that went with its lease is noticed, never mistaken for being first.
"""

import re
from collections.abc import Callable, Iterable

from attrs import frozen

from coord.client import ops
from coord.client.ops import Text
from coord.errors import ErrorCode, MaybeDone, Misuse, error_from
from coord.model import KeyValue
from coord.requests import Compare, PutReply, RangeReply, Reply, SortOrder, SortTarget, TxnOp
from recipes.errors import SessionLost, session_ends
from recipes.port import KeptLease, KeyStore, only
from recipes.waiting import until_gone, while_kept

ID_DIGITS = 16  # of a lease, as the end of a key
_LEASE = re.compile(rb"[0-9a-f]{1,16}")  # etcd writes it without leading zeros


@frozen
class Place:
    """One place in a line: its key, and the revision that made it."""

    key: bytes
    token: int

    def guard(self) -> Compare:
        """Return the condition that makes a transaction fail once this place is given up."""
        return ops.created(self.key, "==", self.token)


@frozen
class Entered:
    """A place, whether it was made just now, and what was read in the same transaction."""

    place: Place
    is_new: bool
    answers: tuple[Reply, ...]


def folder_of(name: Text) -> bytes:
    """Return the prefix of all keys of what is called `name`.

    Raises:
        Misuse: no name, one too long to put keys under, or one that ends with a slash.
    """
    folder = ops.key_bytes(name) + b"/"
    if folder.endswith(b"//"):
        raise Misuse(f"name {name!r} ends with a slash", ErrorCode.INVALID_OPTION)
    ops.key_bytes(folder + b"permits/" + 2 * ID_DIGITS * b"0" + b"/")
    return folder


def line_of(name: Text) -> bytes:
    """Return the prefix of all keys of the line called `name`; none is a place of another line.

    Raises:
        Misuse: a name as `folder_of` refuses it, or under which a read-write lock, double barrier
            or semaphore keeps its places: NAME/read, NAME/write, NAME/inside, NAME/permits, and
            what is called below the last.
    """
    folder = folder_of(name)
    # Places there look the same; a semaphore's, which the store counts, whatever is below.
    if folder.endswith((b"/read/", b"/write/", b"/inside/")) or b"/permits/" in folder:
        detail = "it may not end with /read, /write or /inside, nor have a part permits"
        raise error_from(ErrorCode.INVALID_OPTION, f"name {name!r:.100}; {detail}")
    return folder


def is_place(folder: bytes, key: bytes) -> bool:
    """Tell whether `key` is `folder` and a lease, unlike keys of what is called below it."""
    return key.startswith(folder) and _LEASE.fullmatch(key, len(folder)) is not None


def lease_name(lease: int) -> bytes:
    """Return a lease as the last part of a key, as etcd writes it but in fixed width."""
    return f"{lease:0{ID_DIGITS}x}".encode()


def first_of(folder: bytes, since: int = 0) -> TxnOp:
    """Build the read of whoever came first under `folder`, not before revision `since`."""
    return ops.get(
        folder,
        prefix=True,
        limit=1,
        sort_target=SortTarget.CREATE,
        sort_order=SortOrder.ASCEND,
        min_create_revision=since,
    )


async def enter(
    client: KeyStore, session: KeptLease, key: bytes, value: bytes, reads: Iterable[TxnOp]
) -> Entered:
    """Take a place, or find that it is taken already; repeated until the answer is known.

    Raises:
        SessionLost: the session has ended; no place is left.
    """
    asked = tuple(reads)
    while True:
        if session.lost.is_set():
            raise SessionLost
        try:
            return await try_enter(client, session, key, value, asked)
        except MaybeDone:
            # Asking again finds the place if it was taken.
            continue


async def try_enter(
    client: KeyStore, session: KeptLease, key: bytes, value: bytes, reads: Iterable[TxnOp]
) -> Entered:
    """Take a place, or find that it is taken already. One round trip.

    Raises:
        SessionLost: the session has ended; no place is left.
        MaybeDone: the answer was lost; there may be a place.
    """
    asked = tuple(reads)
    put = ops.put(key, value, lease=session.lease)
    with session_ends():
        reply = await client.txn(
            compare=[ops.missing(key)],
            success=[put, *asked],
            failure=[ops.get(key), *asked],
        )
    own, *answers = reply.replies
    if isinstance(own, PutReply):
        return Entered(Place(key, own.revision), True, tuple(answers))
    assert isinstance(own, RangeReply)
    return Entered(Place(key, own.kvs[0].create_revision), False, tuple(answers))


async def nearest_ahead(
    client: KeyStore, place: Place, folder: bytes, blocks: Callable[[KeyValue], bool]
) -> tuple[KeyValue, int] | None:
    """Return the last key made under `folder` before `place` that blocks it.

    Returns:
        That key and a revision at which it was there; None when nothing is in the way.

    Raises:
        SessionLost: the place is gone.
    """
    newest = place.token - 1
    while True:
        reply = await client.txn(
            success=[
                ops.get(place.key),
                ops.get(
                    folder,
                    prefix=True,
                    limit=1,
                    sort_target=SortTarget.CREATE,
                    sort_order=SortOrder.DESCEND,
                    max_create_revision=newest,
                ),
            ]
        )
        own, ahead = reply.replies
        assert isinstance(own, RangeReply)
        assert isinstance(ahead, RangeReply)
        if not own.kvs or own.kvs[0].create_revision != place.token:
            raise SessionLost
        found = only(ahead)
        if found is None:
            return None
        if blocks(found):
            return found, reply.revision
        newest = found.create_revision - 1


async def wait_in_line(
    client: KeyStore,
    session: KeptLease,
    place: Place,
    folder: bytes,
    blocks: Callable[[KeyValue], bool],
) -> None:
    """Wait until nothing made before `place` blocks it.

    Raises:
        SessionLost: the session ended, or the place was taken away.
    """
    while (found := await nearest_ahead(client, place, folder, blocks)) is not None:
        blocker, seen = found
        gone = until_gone(client, blocker.key, blocker.create_revision, seen)
        await while_kept(session, gone)
