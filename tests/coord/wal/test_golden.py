"""Golden files: the bytes on disk of format 1, so that no later build fails to read them.

A change here means that data directories in the field cannot be opened: a new format needs a new
version number and new golden files beside these. To write files that do not exist yet, run this
module: `python tests/coord/wal/test_golden.py`.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from coord.raft.messages import Entry, EntryKind, HardState, Membership, SnapshotMeta, Write
from coord.testing.disk import SimulatedDisk
from coord.testing.log_driver import raw_snapshot
from coord.testing.logs import OWNER
from coord.wal import record
from coord.wal.identity import decode_identity, encode_identity
from coord.wal.items import SnapshotMark, decode_items, encode_entry_head, encode_hard_state
from coord.wal.log import LogSettings
from coord.wal.record import Link
from coord.wal.segment import decode_head, segment_name
from coord.wal.snapshot import read_chunks, read_head
from coord.wal.wal import Wal

GOLDEN = Path(__file__).parents[2] / "golden" / "wal"
LINK = Link(log=0x1122334455667788, sequence=3, previous=0xDEADBEEF)
STATE = HardState(5, 22, 2)
ENTRIES = (Entry(1, 4, EntryKind.NOOP, b""), Entry(2, 5, EntryKind.NORMAL, b"a payload"))
AT = SnapshotMeta(2, 5, Membership((22, 33), (44,)))
FILES = LogSettings(segment_bytes=4096, fill_bytes=512, reserve_bytes=0)


def a_record() -> bytes:
    body: list[bytes | memoryview] = [encode_hard_state(STATE)]
    for entry in ENTRIES:
        body += [encode_entry_head(entry), entry.payload]
    return b"".join(record.encode(body, LINK)[0])


def a_segment() -> bytes:
    disk = SimulatedDisk(seed=7)
    wal = Wal.open(disk, OWNER, FILES)
    wal.log.append([Write(1, STATE, ENTRIES)])
    wal.log.put_mark(SnapshotMark(AT, 99, bytes(range(32)), "snapshot-2.snap"), keep_suffix=True)
    return disk.peek(segment_name(1))


def a_snapshot() -> bytes:
    return raw_snapshot(AT, b"first chunk", b"second")


def an_identity() -> bytes:
    return encode_identity(OWNER, LINK.log)


MAKERS: dict[str, Callable[[], bytes]] = {
    "record": a_record,
    "segment": a_segment,
    "snapshot": a_snapshot,
    "identity": an_identity,
}


def golden(name: str) -> bytes:
    """Read a golden file: hexadecimal, 32 bytes to a line."""
    return bytes.fromhex((GOLDEN / f"{name}-1.hex").read_text())


def as_text(data: bytes) -> str:
    lines = [data[start : start + 32].hex() for start in range(0, len(data), 32)]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("name", MAKERS)
def test_what_is_written_today_is_what_was_written_then(name: str) -> None:
    assert MAKERS[name]().hex() == golden(name).hex()


def test_the_golden_record_is_read() -> None:
    body, header = record.decode(golden("record"), 0, LINK)
    assert list(decode_items(body)) == [STATE, *ENTRIES]
    assert header.sequence == 3


def test_the_golden_segment_is_opened() -> None:
    disk = SimulatedDisk(seed=7)
    Wal.open(disk, OWNER, FILES).close()
    log = decode_head(golden("segment")).log
    disk.poke("identity", encode_identity(OWNER, log))
    # Only the entries here: the snapshot its mark names is not part of it.
    data = golden("segment")
    start = data.index(b"a payload") + len(b"a payload")
    start += -start % 8
    disk.poke(segment_name(1), data[:start] + bytes(512))
    wal = Wal.open(disk, OWNER, FILES)
    assert wal.recovered.hard_state == STATE
    assert wal.recovered.entries == ENTRIES


def test_the_golden_snapshot_is_read() -> None:
    disk = SimulatedDisk()
    disk.poke("raw", golden("snapshot"))
    file = disk.open("raw")
    assert read_head(file).meta == AT
    assert list(read_chunks(file)) == [b"first chunk", b"second"]


def test_the_golden_identity_is_read() -> None:
    assert decode_identity(golden("identity")) == (OWNER, LINK.log)


if __name__ == "__main__":
    GOLDEN.mkdir(parents=True, exist_ok=True)
    for name, make in MAKERS.items():
        path = GOLDEN / f"{name}-1.hex"
        if not path.exists():
            path.write_text(as_text(make()))
