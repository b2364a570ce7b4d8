"""Making a store of a snapshot's blocks: what does not fit together is refused."""

from operator import lt

from coord.model import KeyValue
from coord.store.blocks import Block, Head, KeyRows, LeaseRows, OriginRows, UndoRows, WriterRows
from coord.store.blockstream import BlockReader, damaged
from coord.store.keyspace import Keyspace
from coord.store.leases import Leases, LeaseState
from coord.store.machine import Store
from coord.store.once import Writers, WriterState
from coord.store.order import OrderedKeys
from coord.store.replay import Replay
from coord.store.state import State


class SnapshotLoader:
    """Takes the bytes of a snapshot in pieces of any size, and makes a store of them."""

    def __init__(self) -> None:
        self._reader = BlockReader()
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
        for block in self._reader.feed(piece):
            self._take(block)

    def _take(self, block: Block) -> None:
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
        self._reader.finish()
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
