"""The threaded storage on a real directory: answers after durability, never after a failure."""

import errno
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from coord.errors import Misuse, Unavailable
from coord.ids import ClusterId, NodeId
from coord.raft.messages import (
    ChunkRead,
    ChunkReceived,
    ChunkWanted,
    SnapshotInstalled,
    Written,
)
from coord.testing.disk import SimulatedDisk
from coord.testing.log_driver import raw_snapshot
from coord.testing.logs import OWNER, TINY_FILES, entry, meta, reopen, write
from coord.wal.identity import Identity
from coord.wal.port import Completion, SnapshotSaved
from coord.wal.threaded import (
    EXIT_STORAGE_FAILED,
    INLINE_BYTES_MAX,
    ThreadedStorage,
    open_storage,
)

WAIT_S = 20.0


class Node:
    """Collects answers as a node's loop would: woken, then polling."""

    def __init__(self, open_it: Callable[[Callable[[], None]], ThreadedStorage]) -> None:
        self.woken = threading.Event()
        self.answers: list[Completion] = []
        self.storage = open_it(self.woken.set)

    def wait_for(self, count: int) -> list[Completion]:
        """Wait until there are `count` answers in all."""
        while True:
            self.storage.flush()
            self.answers += self.storage.poll()
            if len(self.answers) >= count:
                return self.answers
            assert self.woken.wait(WAIT_S)
            self.woken.clear()


def on_directory(path: Path) -> Node:
    return Node(lambda wake: open_storage(str(path), OWNER, wake, settings=TINY_FILES))


def test_every_write_is_answered_in_order_and_found_again(tmp_path: Path) -> None:
    node = on_directory(tmp_path)
    for ticket in range(1, 101):
        node.storage.write(write(ticket, entry(ticket), term=1, vote=22))
    assert node.wait_for(100) == [Written(ticket) for ticket in range(1, 101)]
    node.storage.close()
    node = on_directory(tmp_path)
    assert [found.index for found in node.storage.recovered.entries] == list(range(1, 101))
    node.storage.close()


def test_recovered_entries_are_let_go_with_the_first_write(tmp_path: Path) -> None:
    node = on_directory(tmp_path)
    node.storage.write(write(1, entry(1), term=1))
    node.storage.close()
    node = on_directory(tmp_path)
    before = node.storage.recovered
    assert before.entries == (entry(1),)
    node.storage.write(write(2, entry(2)))
    after = node.storage.recovered
    assert after.entries == ()
    assert after.hard_state == before.hard_state
    node.storage.close()


def test_close_finishes_what_was_handed_over(tmp_path: Path) -> None:
    node = on_directory(tmp_path)
    for ticket in range(1, 51):
        node.storage.write(write(ticket, entry(ticket), term=1))
    node.storage.save_chunk(meta(20), b"state", last=True)
    node.storage.close()
    answers = node.storage.poll()
    assert len(answers) == 51
    assert [type(answer) for answer in answers].count(SnapshotSaved) == 1
    node = on_directory(tmp_path)
    assert node.storage.recovered.snapshot == meta(20)
    assert node.storage.recovered.entries[-1] == entry(50)
    assert list(node.storage.open_snapshot()) == [b"state"]
    node.storage.close()


def test_a_saved_snapshot_is_answered_readable_and_shrinks_the_log(tmp_path: Path) -> None:
    node = on_directory(tmp_path)
    for ticket in range(1, 31):
        node.storage.write(write(ticket, entry(ticket, size_bytes=500), term=1))
    node.wait_for(30)
    before = len(list(tmp_path.glob("log-*.wal")))
    assert node.storage.log_bytes > 15_000
    node.storage.save_chunk(meta(30), b"one", last=False)
    node.storage.save_chunk(meta(30), b"two", last=True)
    saved = node.wait_for(31)[30]
    assert isinstance(saved, SnapshotSaved)
    node.storage.read_chunk(ChunkWanted(NodeId(5), meta(30), 0))
    read = node.wait_for(32)[31]
    assert isinstance(read, ChunkRead)
    assert (len(read.chunk), read.total_bytes) == (saved.size_bytes, saved.size_bytes)
    assert list(node.storage.open_snapshot()) == [b"one", b"two"]
    assert node.storage.saving_backlog_bytes == 0
    assert node.storage.log_bytes < 1000
    node.storage.close()
    assert len(list(tmp_path.glob("log-*.wal"))) < before


def test_a_received_snapshot_replaces_the_log(tmp_path: Path) -> None:
    node = on_directory(tmp_path)
    node.storage.write(write(1, entry(1), entry(2), term=1))
    raw = raw_snapshot(meta(40), b"from the leader")
    node.storage.store_chunk(ChunkReceived(meta(40), len(raw), 0, raw, True, keep_suffix=False))
    assert SnapshotInstalled(meta(40)) in node.wait_for(2)
    node.storage.write(write(2, entry(41)))
    node.wait_for(3)
    node.storage.close()
    node = on_directory(tmp_path)
    assert node.storage.recovered.snapshot == meta(40)
    assert node.storage.recovered.entries == (entry(41),)
    assert node.storage.recovered.hard_state.commit == 40
    node.storage.close()


def test_writes_that_wait_share_one_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coord.wal.threaded.INLINE_BYTES_MAX", 100)
    disk = SimulatedDisk()
    node = Node(lambda wake: ThreadedStorage(disk, OWNER, wake, settings=TINY_FILES))
    reached, gate = threading.Event(), threading.Event()
    inner = disk.enter

    def enter(what: str, name: str, life: int) -> None:
        if what == "sync":
            reached.set()
            assert gate.wait(WAIT_S)
        inner(what, name, life)

    disk.enter = enter  # type: ignore[method-assign]
    calls = disk.calls
    node.storage.write(write(1, entry(1, size_bytes=101), term=1))
    assert not node.storage.flush()
    assert reached.wait(WAIT_S)
    for ticket in range(2, 12):
        node.storage.write(write(ticket, entry(ticket)))
        assert not node.storage.flush()  # small, yet not alone
    gate.set()
    node.wait_for(11)
    assert disk.calls == calls + 4
    node.storage.close()


@pytest.mark.parametrize("size_bytes", [10, INLINE_BYTES_MAX + 1])
@pytest.mark.parametrize("call", [1, 2])
def test_a_failed_write_or_sync_ends_the_process_and_acknowledges_nothing(
    call: int, size_bytes: int
) -> None:
    disk = SimulatedDisk()
    fatal: list[BaseException] = []
    ended = threading.Event()

    def on_fatal(error: BaseException) -> None:
        fatal.append(error)
        ended.set()

    node = Node(lambda wake: ThreadedStorage(disk, OWNER, wake, on_fatal, TINY_FILES))
    node.storage.write(write(1, entry(1), term=1))
    node.wait_for(1)
    disk.fail(call, errno.EIO)
    node.storage.write(write(2, entry(2, size_bytes=size_bytes)))
    node.storage.flush()
    assert ended.wait(WAIT_S)
    node.storage.write(write(3, entry(3)))
    node.storage.flush()
    node.storage.save_chunk(meta(1), b"state", last=True)
    node.storage.read_chunk(ChunkWanted(NodeId(5), meta(1), 0))
    node.storage.close()
    assert node.storage.poll() == []
    assert [type(error) for error in fatal] == [OSError]
    disk.kill()
    disk.crash(lambda low, _high: low)
    assert reopen(disk).entries[0] == entry(1)


def test_a_failed_snapshot_sync_ends_the_process(tmp_path: Path) -> None:
    disk = SimulatedDisk()
    ended = threading.Event()
    node = Node(lambda wake: ThreadedStorage(disk, OWNER, wake, lambda _: ended.set(), TINY_FILES))
    disk.fail(5, errno.EIO)
    node.storage.save_chunk(meta(1), b"state", last=True)
    assert ended.wait(WAIT_S)
    assert node.storage.poll() == []
    node.storage.close()


def test_a_gap_in_the_log_ends_the_process_before_it_is_written() -> None:
    disk = SimulatedDisk()
    fatal: list[BaseException] = []
    node = Node(lambda wake: ThreadedStorage(disk, OWNER, wake, fatal.append, TINY_FILES))
    node.storage.write(write(1, entry(7), term=1))
    node.storage.close()
    assert [type(error) for error in fatal] == [AssertionError]
    assert reopen(disk).entries == ()


def test_a_lone_small_write_is_durable_at_once_and_wakes_nobody(tmp_path: Path) -> None:
    node = on_directory(tmp_path)
    node.storage.write(write(1, entry(1), term=1))
    assert node.storage.poll() == []
    assert node.storage.flush()
    assert node.storage.poll() == [Written(1)]
    assert not node.woken.is_set()
    assert not node.storage.flush()
    node.storage.close()


def test_a_slow_disk_is_left_to_the_log_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coord.wal.threaded.SLOW_SYNC_S", -1.0)
    node = on_directory(tmp_path)
    node.storage.write(write(1, entry(1), term=1))
    assert node.storage.flush()
    node.storage.write(write(2, entry(2)))
    assert not node.storage.flush()
    assert node.wait_for(2) == [Written(1), Written(2)]
    node.storage.close()


def test_a_directory_in_use_or_of_another_node_is_refused(tmp_path: Path) -> None:
    node = on_directory(tmp_path)
    with pytest.raises(Unavailable, match="in use by process"):
        on_directory(tmp_path)
    node.storage.close()
    other = Identity(ClusterId(11), NodeId(23))
    with pytest.raises(Misuse, match="belongs to node 16"):
        open_storage(str(tmp_path), other, lambda: None)


def test_by_default_a_failed_disk_ends_the_process_with_one_line() -> None:
    code = "from coord.wal.threaded import exit_at_once; exit_at_once(OSError(5, 'bad disk'))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[3],
    )
    assert done.returncode == EXIT_STORAGE_FAILED
    assert done.stderr.splitlines() == [
        "coord: storage failed, ending the process: OSError(5, 'bad disk')"
    ]
