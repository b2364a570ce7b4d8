"""The real disk: the port's promises on a real file system."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from coord.errors import Unavailable
from coord.wal.disk import RealDisk


def test_buffers_are_written_one_after_the_other(tmp_path: Path) -> None:
    disk = RealDisk(str(tmp_path))
    file = disk.create("f")
    file.write(0, [b"abc", b"", memoryview(b"def")])
    file.write_durable(3, [b"XYZ", b"more"])
    assert file.read(0, 100) == b"abcXYZmore"
    assert file.size_bytes == 10
    file.truncate(4)
    file.sync()
    assert file.read(2, 100) == b"cX"
    file.close()
    disk.close()


def test_more_buffers_than_one_call_takes_are_written(tmp_path: Path) -> None:
    disk = RealDisk(str(tmp_path))
    file = disk.create("f")
    file.write_durable(0, [b"%04d" % number for number in range(3000)])
    assert file.read(4 * 2999, 4) == b"2999"
    file.close()
    disk.close()


def test_a_short_write_goes_on_where_it_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = os.pwritev

    def at_most_five_bytes(fd: int, buffers: list[bytes], offset: int, flags: int = 0) -> int:
        return whole(fd, [b"".join(buffers)[:5]], offset, flags)

    monkeypatch.setattr(os, "pwritev", at_most_five_bytes)
    disk = RealDisk(str(tmp_path))
    file = disk.create("f")
    file.write(0, [b"abc", b"defghij", b"klm"])
    assert file.read(0, 100) == b"abcdefghijklm"
    file.close()
    disk.close()


def test_names_are_created_renamed_listed_and_removed(tmp_path: Path) -> None:
    disk = RealDisk(str(tmp_path / "deep" / "down"))
    disk.create("b").close()
    disk.create("a").close()
    with pytest.raises(FileExistsError):
        disk.create("a")
    disk.rename("b", "c")
    disk.sync_directory()
    assert disk.list() == ["a", "c"]
    disk.remove("a")
    assert disk.list() == ["c"]
    disk.close()


def test_the_reserve_occupies_space(tmp_path: Path) -> None:
    disk = RealDisk(str(tmp_path))
    disk.reserve("reserve", 1 << 20)
    assert os.stat(tmp_path / "reserve").st_blocks * 512 >= 1 << 20
    assert disk.free_bytes() > 0
    disk.close()


def test_tokens_differ_from_each_other(tmp_path: Path) -> None:
    disk = RealDisk(str(tmp_path))
    tokens = {disk.token() for _ in range(100)}
    assert len(tokens) == 100
    assert all(0 < token < 2**63 for token in tokens)
    disk.close()


def test_another_process_is_kept_out_and_told_who_is_in(tmp_path: Path) -> None:
    holder = "\n".join(
        (
            "import sys",
            "from coord.wal.disk import RealDisk",
            f"disk = RealDisk({str(tmp_path)!r})",
            "disk.lock()",
            "print('locked', flush=True)",
            "sys.stdin.read()",
        )
    )
    with subprocess.Popen(
        [sys.executable, "-c", holder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"locked\n"
        disk = RealDisk(str(tmp_path))
        with pytest.raises(Unavailable, match=f"in use by process {process.pid};"):
            disk.lock()
        process.kill()
        process.wait()
        disk.lock()  # the kernel let go
        disk.close()


def test_the_lock_is_held_until_close(tmp_path: Path) -> None:
    disk = RealDisk(str(tmp_path))
    disk.lock()
    with open(tmp_path / "lock", "rb") as file:
        with pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        disk.close()
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
