"""What a fuzzer calls: one function per decoder, failing by any exception but the expected one.

Each takes any bytes. What the decoder accepts is checked: it encodes back to an equal value, a
segment yields records only as far as they chain. Works under a coverage-guided fuzzer, or alone.
"""

import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from coord.codec import Codec, client_frames, decode_batch, encode_batch, node_frames
from coord.errors import Corruption, Misuse, ProtocolError
from coord.frames import Hello, HelloReply, WriteFrame
from coord.node.peers import peer_frames
from coord.raft.messages import Append, Entry, EntryKind, HardState, SnapshotMeta
from coord.requests import Put
from coord.testing.disk import SimulatedDisk
from coord.testing.logs import OWNER, TINY_FILES
from coord.wal import items, record
from coord.wal.identity import IDENTITY_NAME, decode_identity, encode_identity
from coord.wal.items import Marked, decode_items
from coord.wal.record import Link
from coord.wal.segment import SegmentHead, decode_head, encode_head, segment_name
from coord.wal.snapshot import read_chunks, read_head
from coord.wal.wal import Wal
from transport import zmtp_wire

ZMTP_BYTES_MAX = 300
ZMTP_HELLO = zmtp_wire.GREETING + zmtp_wire.ready(b"PUSH")
GOLDEN_LINK = Link(log=0x1122334455667788, sequence=3, previous=0xDEADBEEF)


def fuzz_record(data: bytes) -> None:
    """Read a record, its length unchecked before."""
    try:
        body, header = record.decode(data, 0, GOLDEN_LINK)
    except Corruption:
        return
    assert header.next_link().sequence == GOLDEN_LINK.sequence + 1
    assert len(body) == header.body_bytes
    fuzz_items(bytes(body))


def fuzz_items(data: bytes) -> None:
    """Read the body of a record, as if its checksum had been right."""
    try:
        found = list(decode_items(memoryview(data)))
    except Corruption:
        return
    encoded = b"".join(map(_encode_item, found))
    assert list(decode_items(memoryview(encoded))) == found


def _encode_item(item: items.Item) -> bytes:
    if isinstance(item, HardState):
        return items.encode_hard_state(item)
    if isinstance(item, Entry):
        return items.encode_entry_head(item) + item.payload
    if isinstance(item, Marked):
        return items.encode_mark(item.mark, item.keep_suffix)
    return b"".join(items.SEAL_BODY)


def fuzz_segment_head(data: bytes) -> None:
    """Read the head of a segment."""
    try:
        head = decode_head(data)
    except Corruption:
        return
    assert decode_head(encode_head(head)) == head


def fuzz_segment(data: bytes) -> None:
    """Open a directory whose only segment has a good head and then these bytes."""
    head = SegmentHead(OWNER.cluster, OWNER.node, 77, 1, 1, 0, 0, 0)
    body = [items.encode_hard_state(HardState())]
    start = b"".join(record.encode(body, head.link)[0])
    _open_directory(encode_head(head) + start + data)
    _open_directory(encode_head(head) + _sealed_up(data, head.link))


def _sealed_up(data: bytes, link: Link) -> bytes:
    """Make the bytes a record with right checksums, so that what is in it gets looked at."""
    return b"".join(record.encode([data or b"\0"], link)[0])


def _open_directory(segment: bytes) -> None:
    disk = SimulatedDisk()
    disk.poke(IDENTITY_NAME, encode_identity(OWNER, 77))
    disk.poke(segment_name(1), segment)
    try:
        first = Wal.open(disk, OWNER, TINY_FILES)
    except Corruption:
        return
    first.close()
    again = Wal.open(disk, OWNER, TINY_FILES)
    assert again.recovered.entries == first.recovered.entries
    assert again.recovered.note == ""


def fuzz_snapshot(data: bytes) -> None:
    """Read a snapshot file."""
    disk = SimulatedDisk()
    disk.poke("raw", data)
    file = disk.open("raw")
    try:
        meta = read_head(file).meta
        size_bytes = sum(map(len, read_chunks(file)))
    except Corruption:
        return
    assert isinstance(meta, SnapshotMeta)
    assert size_bytes < len(data)


def fuzz_identity(data: bytes) -> None:
    """Read an identity file."""
    try:
        identity, log = decode_identity(data)
    except Corruption:
        return
    assert encode_identity(identity, log) == data


def fuzz_client_frame(data: bytes) -> None:
    """Read what a client may send to a node."""
    _fuzz_codec(client_frames, data)


def fuzz_node_frame(data: bytes) -> None:
    """Read what a node may send to a client."""
    _fuzz_codec(node_frames, data)


def fuzz_peer_message(data: bytes) -> None:
    """Read what a member may send to another."""
    _fuzz_codec(peer_frames, data)


def fuzz_batch(data: bytes) -> None:
    """Read a log payload."""
    try:
        batch = decode_batch(data)
    except (ProtocolError, Misuse):
        return
    frames = tuple(client_frames.encode(frame) for frame in batch.frames)
    assert decode_batch(encode_batch(batch.time_ms, frames)) == batch


def fuzz_zmtp(data: bytes) -> None:
    """Read what a stranger may send to a node's port, and what it may after a good greeting."""
    for stream in (data, zmtp_wire.GREETING + data, ZMTP_HELLO + data):
        found = _read_zmtp(stream, len(stream) or 1)
        for piece_bytes in (1, 7, 64):
            in_pieces = _read_zmtp(stream, piece_bytes)
            assert (in_pieces is None) == (found is None)
            assert found is None or in_pieces == found
        messages = [event for event in found or () if isinstance(event, bytes)]
        assert all(len(message) <= ZMTP_BYTES_MAX for message in messages)
        again = b"".join(zmtp_wire.message_head(len(one)) + one for one in messages)
        assert _read_zmtp(ZMTP_HELLO + again, 64) == [zmtp_wire.Ready(b"PUSH"), *messages]


def _read_zmtp(stream: bytes, piece_bytes: int) -> list[zmtp_wire.Event] | None:
    """Return what comes in pieces of this size; None: it ended in an error."""
    decoder = zmtp_wire.Decoder(frozenset((b"PUSH",)), ZMTP_BYTES_MAX)
    found: list[zmtp_wire.Event] = []
    try:
        for start in range(0, len(stream), piece_bytes):
            found += decoder.feed(stream[start : start + piece_bytes])
    except zmtp_wire.ZmtpError:
        return None
    return found


def _fuzz_codec(codec: Codec[Any], data: bytes) -> None:
    try:
        value = codec.decode(data)
    except ProtocolError:
        return
    encoded = codec.encode(value)
    # Not "== value": a float that is no number is equal to nothing.
    assert codec.encode(codec.decode(encoded)) == encoded


TARGETS: dict[str, Callable[[bytes], None]] = {
    "record": fuzz_record,
    "items": fuzz_items,
    "segment_head": fuzz_segment_head,
    "segment": fuzz_segment,
    "snapshot": fuzz_snapshot,
    "identity": fuzz_identity,
    "client_frame": fuzz_client_frame,
    "node_frame": fuzz_node_frame,
    "peer_message": fuzz_peer_message,
    "batch": fuzz_batch,
    "zmtp": fuzz_zmtp,
}


def seeds(name: str, golden: Path) -> list[bytes]:
    """Return good inputs for a target, to start from."""
    write = WriteFrame(1, 0, 1, (Put(key=b"k", value=b"v"),))
    if name == "client_frame":
        return [client_frames.encode(Hello(1)), client_frames.encode(write)]
    if name == "node_frame":
        return [node_frames.encode(HelloReply(1, 2, 3, 4, 5, 6, ((3, "name", "address"),)))]
    if name == "peer_message":
        entry = Entry(7, 2, EntryKind.NORMAL, b"payload")
        return [peer_frames.encode(Append(11, 22, 33, 2, 6, 1, 5, (entry,)))]
    if name == "batch":
        return [encode_batch(5, (client_frames.encode(write),)), encode_batch(0, ())]
    if name == "zmtp":
        return [ZMTP_HELLO, ZMTP_HELLO + _zmtp_traffic(), zmtp_wire.GREETING, _zmtp_traffic()]
    files = {path.name.split("-")[0]: path for path in sorted((golden / "wal").glob("*.hex"))}
    good = {kind: bytes.fromhex(path.read_text()) for kind, path in files.items()}
    if name == "segment_head":
        return [good["segment"][:80]]
    if name == "items":
        return [good["record"][record.HEADER_BYTES :].rstrip(b"\0")]
    return [good[name]] if name in good else []


def _zmtp_traffic() -> bytes:
    """Return a message, a beat, a message of two parts, one that is too large, and an answer."""
    too_large = ZMTP_BYTES_MAX + 1
    return b"".join((
        zmtp_wire.message_head(5) + b"CO\x01\x01x",
        zmtp_wire.ping(2500),
        b"\x01\x01a\0\x01b",
        zmtp_wire.message_head(too_large) + bytes(too_large),
        zmtp_wire.pong(b"context"),
    ))  # fmt: skip


def run_random(name: str, seconds: float, golden: Path, seed: int = 0) -> bool:
    """Feed a target random bytes and damaged good ones for some time; False if it failed."""
    luck = Random(seed)
    good = seeds(name, golden)
    end_s = time.monotonic() + seconds
    rounds = 0
    while time.monotonic() < end_s:
        data = damaged(luck, luck.choice(good)) if good else b""
        if not good or luck.random() < 0.3:
            data = luck.randbytes(luck.randint(0, 300))
        TARGETS[name](data)
        rounds += 1
    return rounds > 0


def damaged(luck: Random, data: bytes) -> bytes:
    """Change, drop or double a few pieces."""
    changed = bytearray(data)
    for _ in range(luck.randint(1, 4)):
        at = luck.randint(0, len(changed))
        kind = luck.randint(0, 2)
        if kind == 0 and at < len(changed):
            changed[at] = luck.choice((0, 1, 0x7F, 0x80, 0xFF, luck.randrange(256)))
        elif kind == 1:
            del changed[at : at + luck.randint(1, 9)]
        else:
            changed[at:at] = changed[at : at + luck.randint(1, 9)]
    return bytes(changed)
