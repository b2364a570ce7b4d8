"""`coord snapshot`: what is fetched, what the file is, what is refused."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from coord.config import cluster_id, member_id
from coord.errors import ErrorCode, error_from
from coord.frames import Batch, WriteFrame
from coord.requests import MemberStatus, Put, SnapshotPartReply, StatusReply
from coord.store.machine import Store
from coord.store.restore import SnapshotLoader
from coord.wal.disk import RealDisk
from coord.wal.identity import Identity
from coord.wal.shelf import open_chunks
from coord.wal.wal import Wal

MEMBERS = "n1=tcp://127.0.0.1:7411,n2=tcp://127.0.0.1:7421"
RESTORE = ("restore", "{file}", "--name")
STATUS = StatusReply(
    cluster=7,
    node=2,
    name="n2",
    role="follower",
    leader=1,
    term=3,
    commit_index=10,
    applied_index=9,
    revision=5,
    compact_revision=0,
    keys=4,
    leases=2,
    watches=1,
    cluster_time_ms=0,
    alarms=(),
    members=(
        MemberStatus(1, "n1", "tcp://p:1", "tcp://c:1", True),
        MemberStatus(2, "n2", "tcp://p:2", "tcp://c:2", True),
    ),
    version="0.1.0",
)


def parts() -> list[bytes]:
    store = Store()
    ops = tuple(Put(b"key/%d" % number, b"v" * 100) for number in range(50))
    store.apply(3, Batch(0, (WriteFrame(1, 0, 0, ops),)))
    return list(store.snapshot(chunk_bytes=1000))


def answers(chunks: list[bytes]) -> list[SnapshotPartReply]:
    last = len(chunks) - 1
    return [SnapshotPartReply(9, 3, 1, 51, chunk, at == last) for at, chunk in enumerate(chunks)]


def test_save_takes_every_part_from_one_node(coord_command: Any, tmp_path: Path) -> None:
    file = tmp_path / "backup.snap"
    chunks = parts()
    result = coord_command(
        "snapshot", "save", str(file), status=STATUS, snapshot_part=answers(chunks)
    )
    assert result.stdout == f"snapshot of revision 51 saved at {file}\n"
    assert file.read_bytes() == b"".join(chunks)
    asked = [args for name, args, _ in coord_command.client.calls if name == "snapshot_part"]
    later = [(9, count, "tcp://c:2") for count in range(1, len(chunks))]
    assert asked == [(0, 0, "tcp://c:2"), *later]
    assert os.listdir(tmp_path) == ["backup.snap"]


def test_a_lost_part_leaves_no_file_and_an_older_one_as_it_was(
    coord_command: Any, tmp_path: Path
) -> None:
    file = tmp_path / "backup.snap"
    file.write_text("older")
    chunks = parts()
    gapped = answers(chunks[:1] + chunks[2:])
    result = coord_command("snapshot", "save", str(file), status=STATUS, snapshot_part=gapped)
    assert result.exit_code == 1
    assert "was not saved, try again" in result.stderr
    assert result.stderr.count("\n") == 1
    assert file.read_text() == "older"
    assert os.listdir(tmp_path) == ["backup.snap"]


def test_a_snapshot_never_takes_the_place_of_what_is_no_file(
    coord_command: Any, tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    result = coord_command(
        "snapshot", "save", str(pipe), status=STATUS, snapshot_part=answers(parts())
    )
    assert result.exit_code == 1
    assert "what stands there is no file" in result.stderr
    assert pipe.is_fifo()


def test_a_node_that_refuses_leaves_no_file(coord_command: Any, tmp_path: Path) -> None:
    refused = error_from(ErrorCode.TOO_MANY_REQUESTS)
    file = tmp_path / "backup.snap"
    result = coord_command("snapshot", "save", str(file), status=STATUS, snapshot_part=refused)
    assert result.exit_code == 4
    assert os.listdir(tmp_path) == []


def test_status_tells_what_is_in_a_file(coord_command: Any, tmp_path: Path) -> None:
    file = tmp_path / "backup.snap"
    file.write_bytes(b"".join(parts()))
    size = file.stat().st_size
    simple = coord_command("snapshot", "status", str(file)).stdout
    digest, revision, keys, size_bytes = simple.strip().split(", ")
    assert (revision, keys, size_bytes) == ("51", "50", str(size))
    found = json.loads(coord_command("snapshot", "status", str(file), "-w", "json").stdout)
    assert found == {
        "hash": digest,
        "revision": 51,
        "compactRevision": 0,
        "totalKey": 50,
        "totalLease": 0,
        "totalSize": size,
    }
    assert digest in coord_command("snapshot", "status", str(file), "-w", "table").stdout


def restore(coord_command: Any, file: Path, folder: Path, *more: str) -> Any:
    args = ["--name", "n1", "--data-dir", str(folder), "--initial-cluster", MEMBERS]
    return coord_command("snapshot", "restore", str(file), *args, *more)


def test_restore_makes_a_folder_whose_log_begins_with_the_snapshot(
    coord_command: Any, tmp_path: Path
) -> None:
    file, folder = tmp_path / "backup.snap", tmp_path / "new" / "n1"
    file.write_bytes(b"".join(parts()))
    result = restore(coord_command, file, folder, "--cluster-token", "t", "--bump-revision", "10")
    assert result.stdout == f"n1 begins at revision 61 in {folder}\n"
    cluster = cluster_id({"n1": "", "n2": ""}, "t")
    wal = Wal.open(RealDisk(str(folder)), Identity(cluster, member_id("n1", "t")))
    try:
        found = wal.recovered
        assert found.snapshot is not None
        assert (found.snapshot.index, found.hard_state.term, found.entries) == (3, 1, ())
        voters = sorted(member_id(name, "t") for name in ("n1", "n2"))
        assert found.snapshot.membership.voters == tuple(voters)
        assert wal.log.mark is not None
        loader = SnapshotLoader()
        for chunk in open_chunks(wal.disk, wal.log.mark):
            loader.feed(chunk)
        store = loader.finish()
        assert (store.revision, store.key_count) == (61, 50)
    finally:
        wal.close()
    assert os.listdir(folder.parent) == ["n1"]


def test_restore_never_touches_a_folder_in_use(coord_command: Any, tmp_path: Path) -> None:
    file, folder = tmp_path / "backup.snap", tmp_path / "n1"
    file.write_bytes(b"".join(parts()))
    folder.mkdir()
    (folder / "precious").write_text("data")
    result = restore(coord_command, file, folder)
    assert result.exit_code == 2
    assert "is not empty" in result.stderr
    assert os.listdir(folder) == ["precious"]


def test_restore_of_a_damaged_file_makes_nothing(coord_command: Any, tmp_path: Path) -> None:
    file, folder = tmp_path / "backup.snap", tmp_path / "n1"
    whole = bytearray(b"".join(parts()))
    whole[len(whole) // 2] ^= 1
    file.write_bytes(whole)
    result = restore(coord_command, file, folder)
    assert result.exit_code == 1
    assert "damaged snapshot" in result.stderr
    assert os.listdir(tmp_path) == ["backup.snap"]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["save"], "Missing argument 'FILE'"),
        (["save", "{folder}"], "is a directory"),
        (["status", "{folder}/none"], "does not exist"),
        (["restore", "{file}"], "Missing option"),
        (["restore", "{folder}/none"], "does not exist"),
        (
            [*RESTORE, "n9", "--data-dir", "{folder}/n9", "--initial-cluster", MEMBERS],
            "'n9' is not in the initial cluster",
        ),
        (
            [*RESTORE, "n1", "--data-dir", "{folder}/n1", "--initial-cluster", "n1"],
            "is not name=tcp://host:port",
        ),
    ],
)
def test_bad_input_is_misuse_told_in_one_line(
    coord_command: Any, tmp_path: Path, args: list[str], said: str
) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"".join(parts()))
    filled = [arg.format(file=file, folder=tmp_path) for arg in args]
    result = coord_command("snapshot", *filled)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert os.listdir(tmp_path) == ["file"]


def test_a_file_that_is_no_snapshot_is_damaged(coord_command: Any, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("hello, this is something else")
    result = coord_command("snapshot", "status", str(file))
    assert result.exit_code == 1
    assert "does not begin like one" in result.stderr
