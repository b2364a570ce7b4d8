"""Reading a snapshot back: every byte is checked before any of it is believed."""

from hashlib import blake2b
from operator import lt
from zlib import crc32

import msgspec

from coord.errors import ErrorCode, ProtocolError
from coord.model import KeyValue
from coord.store.blocks import (
    BLOCK_BYTES_MAX,
    BLOCK_HEADER,
    MAGIC,
    Block,
    End,
    Head,
    KeyRows,
    LeaseRows,
    OriginRows,
    UndoRows,
    WriterRows,
)
from coord.store.keyspace import Keyspace
from coord.store.leases import Leases, LeaseState
from coord.store.machine import Store
from coord.store.once import Writers, WriterState
from coord.store.order import OrderedKeys
from coord.store.replay import Replay
from coord.store.state import State

_decoder = msgspec.msgpack.Decoder(Block)


def damaged(what: str) -> ProtocolError:
    """Return the error for a snapshot that is not what was written."""
    return ProtocolError(f"damaged snapshot: {what}", ErrorCode.MALFORMED)


class SnapshotLoader:
    """Takes the bytes of a snapshot in pieces of any size, and makes a store of them."""

    def __init__(self) -> None:
        self._left = bytearray()
        self._hasher = blake2b(digest_size=32)
        self._blocks = 0
        self._started = False
        self._ended = False
        self._order = 0  # tag of the last block: they never go back
        self._head: Head | None = None
        self._leases: list[LeaseState] = []
        self._writers: list[WriterState] = []
        self._origins: list[tuple[bytes, bytes]] = []
        self._latest: dict[bytes, KeyValue] = {}
        self._replay: Replay | None = None

    def feed(self, piece: bytes) -> None:
        """Take the next bytes.

        Raises:
            ProtocolError: they are not those of a whole snapshot; the loader is of no more use.
        """
        self._left += piece
        if not self._started:
            if len(self._left) < len(MAGIC):
                return
            self._start()
        at, view = 0, bytes(self._left)
        while len(view) - at >= BLOCK_HEADER.size:
            size, checksum = BLOCK_HEADER.unpack_from(view, at)
            if size > BLOCK_BYTES_MAX:
                raise damaged(f"a block of {size} bytes")
            stop = at + BLOCK_HEADER.size + size
            if stop > len(view):
                break
            payload = memoryview(view)[at + BLOCK_HEADER.size : stop]
            if crc32(payload) != checksum:
                raise damaged(f"checksum of block {self._blocks}")
            self._take(payload)
            self._hasher.update(memoryview(view)[at:stop])
            self._blocks += 1
            at = stop
        self._left = bytearray(view[at:])

    def _start(self) -> None:
        magic = bytes(self._left[: len(MAGIC)])
        if magic != MAGIC:
            if magic[:-1] == MAGIC[:-1]:
                found, read = magic[-1], MAGIC[-1]
                raise ProtocolError(
                    f"snapshot format {found}; this build reads {read}", ErrorCode.WRONG_VERSION
                )
            raise damaged("it does not begin like one")
        self._hasher.update(magic)
        del self._left[: len(MAGIC)]
        self._started = True

    def _take(self, payload: memoryview) -> None:
        try:
            block = _decoder.decode(payload)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise damaged(f"block {self._blocks}: {error}") from error
        order = type(block).__struct_config__.tag
        assert isinstance(order, int)
        if self._ended or order < self._order or (self._head is None) is not (type(block) is Head):
            raise damaged(f"block {self._blocks} is out of place")
        self._order = order
        if type(block) is KeyRows:
            self._latest.update([(kv.key, kv) for kv in block.rows])
        elif type(block) is UndoRows:
            self._history().undo(block.rows)
        elif type(block) is LeaseRows:
            self._leases += block.rows
        elif type(block) is WriterRows:
            self._writers += block.rows
        elif type(block) is OriginRows:
            self._origins += block.rows
        elif type(block) is Head:
            self._head = block
        elif type(block) is End:
            if block.blocks != self._blocks or block.digest != self._hasher.digest():
                raise damaged("its end does not seal what stands before")
            self._ended = True

    def _history(self) -> Replay:
        if self._replay is None:
            assert self._head is not None
            self._replay = Replay(self._latest, self._head.revision, self._head.compact_revision)
        return self._replay

    def finish(self) -> Store:
        """Return the store, once all bytes were fed.

        Raises:
            ProtocolError: something is missing, or does not fit together.
        """
        if not self._ended or self._left:
            raise damaged("bytes after its end" if self._ended else "it has no end")
        assert self._head is not None
        space = Keyspace(self._history().history(), _restored_leases(self._leases))
        self._fill(space)
        _check_ascending([row.writer for row in self._writers], "writers")
        state = State(space, Writers.restored(self._writers))
        state.alarms = set(self._head.alarms)
        state.time_ms = self._head.time_ms
        state.applied_index = self._head.applied_index
        return Store(state)

    def _fill(self, space: Keyspace) -> None:
        keys = list(self._latest)
        _check_ascending(keys, "keys")
        space.latest = self._latest
        space.live = OrderedKeys.of_sorted(keys)
        space.tombstones = self._history().tombstones
        space.deleted = OrderedKeys.of_sorted(sorted(space.tombstones))
        for kv in self._latest.values():
            if kv.lease:
                if kv.lease not in space.leases.table:
                    raise damaged(f"a key hangs on lease {kv.lease}, which is not there")
                space.leases.attach(kv.lease, kv.key)
        _check_ascending([key for key, _ in self._origins], "claims")
        for key, origin in self._origins:
            if key not in space.latest or not space.latest[key].lease:
                raise damaged("a claim of a key that hangs on no lease")
            space.origins[key] = origin
        space.origin_order = OrderedKeys.of_sorted(list(space.origins))


def _restored_leases(rows: list[LeaseState]) -> Leases:
    _check_ascending([row.lease for row in rows], "leases")
    return Leases.restored(rows)


def _check_ascending(ids: list[int] | list[bytes], what: str) -> None:
    if not all(map(lt, ids, ids[1:])):
        raise damaged(f"{what} are out of order")
