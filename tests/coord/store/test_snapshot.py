"""Snapshots: canonical, consistent while the store goes on, and safe against any damage."""

import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from coord.errors import CoordError, ErrorCode, ProtocolError
from coord.frames import WriteFrame
from coord.model import KeyValue
from coord.requests import (
    Claim,
    Compact,
    DeleteRange,
    LeaseGrant,
    LeaseRevoke,
    OpenWriter,
    Put,
    SetAlarm,
    Txn,
)
from coord.store.blocks import (
    MAGIC,
    UNDO_CAUSE_SHIFT,
    UNDO_DELETE,
    UNDO_MORE,
    Block,
    Head,
    KeyRows,
    LeaseRows,
    OriginRows,
    Undo,
    UndoRows,
)
from coord.store.blockstream import BlockWriter
from coord.store.leases import LeaseState
from coord.store.machine import Store
from coord.store.restore import SnapshotLoader
from coord.testing.dumb_store import DumbStore
from coord.testing.feed import Feed, load
from coord.testing.store_ops import Draws

GOLDEN = Path(__file__).parents[2] / "golden" / "store-1.snapshot"


def full() -> Feed:
    """A store with something in every table."""
    feed = Feed()
    feed.time_ms = 500
    feed.entry(WriteFrame(77, 0, 0, (OpenWriter(),)))
    feed.entry(WriteFrame(77, 0, 1, (Put(b"w", b"1"), Put(b"q/", b"2", sequence=True))))
    feed.many(
        LeaseGrant(1000, 7), LeaseGrant(2000, 8), Put(b"l", b"3", 7), Put(b"q/x", b"4"),
        Put(b"gone"), DeleteRange(b"gone"), Put(b"back"), DeleteRange(b"back"), Put(b"back"),
        Txn((), (Put(b"t1"), Put(b"t2"), DeleteRange(b"l"))), Compact(4),
        Claim(b"q/", b"c/", 8, 2), SetAlarm(5, True),
    )  # fmt: skip
    return feed


def test_a_snapshot_restores_to_the_same_bytes() -> None:
    whole = b"".join(full().store.snapshot())
    assert b"".join(load(whole).snapshot()) == whole


def test_a_restored_store_has_every_counter() -> None:
    store = full().store
    again = load(b"".join(store.snapshot()))
    for name in ("revision", "compact_revision", "time_ms", "applied_index", "key_count",
                 "lease_count", "alarms"):  # fmt: skip
        assert getattr(again, name) == getattr(store, name), name
    assert again.next_deadline_ms() == store.next_deadline_ms() == 1500
    assert again.events(4, 99) == store.events(4, 99)


def test_the_format_of_version_1_stays_readable() -> None:
    whole = GOLDEN.read_bytes()
    assert b"".join(load(whole).snapshot()) == whole
    assert b"".join(full().store.snapshot()) == whole


def test_an_empty_store_has_a_snapshot_too() -> None:
    whole = b"".join(Store().snapshot())
    assert load(whole).revision == 1
    assert b"".join(load(whole).snapshot()) == whole


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_the_bytes_may_come_in_pieces_of_any_size(size: int) -> None:
    whole = b"".join(full().store.snapshot())
    loader = SnapshotLoader()
    for at in range(0, len(whole), size):
        loader.feed(whole[at : at + size])
    assert loader.finish().digest() == full().store.digest()


def test_every_single_damaged_byte_is_noticed() -> None:
    whole = b"".join(full().store.snapshot(chunk_bytes=64))
    for at in range(len(whole)):
        damaged = bytearray(whole)
        damaged[at] ^= 0x41
        with pytest.raises(ProtocolError):
            load(bytes(damaged))


def test_every_cut_is_noticed() -> None:
    whole = b"".join(full().store.snapshot(chunk_bytes=64))
    for end in range(len(whole)):
        with pytest.raises(ProtocolError):
            load(whole[:end])


def test_missing_doubled_swapped_and_foreign_blocks_are_noticed() -> None:
    chunks = list(full().store.snapshot(chunk_bytes=64))
    other = list(Store().snapshot())
    for at in range(1, len(chunks)):
        for wrong in (
            chunks[:at] + chunks[at + 1 :],
            [*chunks[: at + 1], *chunks[at:]],
            [*chunks[: at - 1], chunks[at], chunks[at - 1], *chunks[at + 1 :]],
            [*chunks[:at], other[-1]],
            [*chunks, b"\0"],
        ):
            with pytest.raises(ProtocolError):
                load(b"".join(wrong))


HEAD = Head(3, 0, 0, 1, ())
KEYS = KeyRows([KeyValue(b"a", b"", 2, 2, 1), KeyValue(b"b", b"", 3, 3, 1)])
UNDOS = UndoRows([b"b", b"a"])


def sealed(*blocks: Block) -> bytes:
    """Return a snapshot with a right end, whatever it holds."""
    writer = BlockWriter()
    chunks = [writer.encode(block) for block in blocks]
    return b"".join([*chunks, writer.encode(writer.end())])


def test_the_blocks_the_next_test_spoils_are_sound() -> None:
    assert load(sealed(HEAD, KEYS, UNDOS)).revision == 3


@pytest.mark.parametrize(
    "blocks",
    [
        (KEYS, UNDOS),
        (HEAD, UNDOS, KEYS),
        (HEAD, HEAD, KEYS, UNDOS),
        (HEAD, KEYS),
        (HEAD, KEYS, UndoRows([b"a", b"b"])),
        (HEAD, KEYS, UndoRows([b"b"])),
        (HEAD, KEYS, UndoRows([b"b", b"a", b"a"])),
        (HEAD, KEYS, UndoRows([b"b", b"x"])),
        (HEAD, KEYS, UndoRows([Undo(b"b", UNDO_DELETE), b"a"])),
        (HEAD, KEYS, UndoRows([b"b", Undo(b"x", 0)])),
        (HEAD, KEYS, UndoRows([Undo(b"b", 63 << UNDO_CAUSE_SHIFT), b"a"])),
        (HEAD, KEYS, UndoRows([b"b", Undo(b"a", UNDO_MORE)])),
        (HEAD, KEYS, UndoRows([Undo(KeyValue(b"b", b"", 1, 1, 1), 0), Undo(b"b", 0)])),
        (HEAD, KeyRows(KEYS.rows[::-1]), UNDOS),
        (HEAD, KeyRows([KEYS.rows[0], KeyValue(b"b", b"", 3, 3, 1, 9)]), UNDOS),
        (HEAD, LeaseRows([LeaseState(2, 1, 1), LeaseState(1, 1, 1)]), KEYS, UNDOS),
        (HEAD, OriginRows([(b"a", b"q")]), KEYS, UNDOS),
        (HEAD, OriginRows([(b"x", b"q")]), KEYS, UNDOS),
    ],
)
def test_rows_that_do_not_fit_together_are_refused_even_under_a_right_seal(
    blocks: tuple[Block, ...],
) -> None:
    with pytest.raises(ProtocolError):
        load(sealed(*blocks))


def test_another_format_version_is_named_in_the_refusal() -> None:
    whole = b"".join(Store().snapshot())
    newer = MAGIC[:-1] + bytes((MAGIC[-1] + 1,)) + whole[len(MAGIC) :]
    with pytest.raises(CoordError, match="snapshot format 2") as refused:
        load(newer)
    assert refused.value.code == ErrorCode.WRONG_VERSION


@pytest.mark.parametrize("seed", range(8))
def test_a_snapshot_taken_in_slices_while_the_store_goes_on_shows_its_first_moment(
    seed: int,
) -> None:
    random = Random(seed)
    feed, twin = Feed(), DumbStore()
    for _ in range(150):
        step(feed, twin, random)
    for _ in range(6):
        wanted = b"".join(feed.store.snapshot(chunk_bytes=40))
        chunks = []
        for chunk in feed.store.snapshot(chunk_bytes=40):
            chunks.append(chunk)
            for _ in range(random.randrange(3)):
                step(feed, twin, random)
            feed.store.tidy(50)
        assert b"".join(chunks) == wanted
        load(wanted)


def step(feed: Feed, twin: DumbStore, random: Random) -> None:
    """Apply a random write, now and then at a later time, to both."""
    if random.randrange(8) == 0:
        feed.at(feed.time_ms + 150)
        twin.move_time(feed.time_ms)
    op = Draws(random, twin).write()
    reply = feed.do(op)
    twin.apply(op, getattr(reply, "lease", 0))


def test_two_snapshots_at_once_do_not_disturb_each_other() -> None:
    feed = full()
    first = feed.store.snapshot(chunk_bytes=64)
    wanted_first = b"".join(feed.store.snapshot(chunk_bytes=64))
    chunks_first = [next(first), next(first)]
    feed.many(DeleteRange(b"\0", b"\0"), LeaseRevoke(7), SetAlarm(5, False), Put(b"n"))
    wanted_second = b"".join(feed.store.snapshot(chunk_bytes=64))
    second = feed.store.snapshot(chunk_bytes=64)
    chunks_second = []
    for chunk in second:
        chunks_second.append(chunk)
        feed.do(Put(b"a%d" % len(chunks_second)))
    assert b"".join(chunks_second) == wanted_second
    assert b"".join([*chunks_first, *first]) == wanted_first


def test_an_operation_that_fails_during_a_snapshot_leaves_no_trace_in_it() -> None:
    feed = full()
    wanted = b"".join(feed.store.snapshot(chunk_bytes=64))
    snapshot = feed.store.snapshot(chunk_bytes=64)
    chunks = [next(snapshot)]
    feed.do(SetAlarm(5, False))
    failing = (DeleteRange(b"\0", b"\0"), Put(b"zz"), Put(b"z", b"", 99))
    feed.refused(Txn((), failing))
    assert b"".join([*chunks, *snapshot]) == wanted


def test_chunks_are_about_as_large_as_asked() -> None:
    feed = Feed()
    feed.many(*(Put(b"%06d" % at, bytes(256)) for at in range(3000)))
    sizes = [len(chunk) for chunk in feed.store.snapshot(chunk_bytes=50_000)]
    assert max(sizes) < 65_000
    assert len(sizes) >= 15


_PROGRAM = """
from random import Random
from coord.testing.feed import Feed
from coord.testing.dumb_store import DumbStore
from coord.testing.store_ops import Draws
random, feed, twin = Random(5), Feed(), DumbStore()
for _ in range(400):
    if random.randrange(8) == 0:
        feed.at(feed.time_ms + 150)
        twin.move_time(feed.time_ms)
    op = Draws(random, twin).write()
    twin.apply(op, getattr(feed.do(op), "lease", 0))
print(feed.store.revision, feed.store.digest().hex())
"""


def test_processes_with_different_hash_seeds_agree_on_every_byte() -> None:
    found = {
        subprocess.run(
            [sys.executable, "-c", _PROGRAM],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "4242")
    }
    assert len(found) == 1
    assert len(found.pop()) > 64
