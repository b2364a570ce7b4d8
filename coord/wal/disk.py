"""The disk port, and the real disk behind it.

A Disk is one flat directory: names hold no slash. It promises little. What was written is durable
only after sync() of that file; a created, renamed or removed name is durable only after
sync_directory(). Any call may raise OSError; after one from a sync nothing about that file may be
trusted any more. One process at a time holds the lock.
"""

import errno
import fcntl
import os
import secrets
from collections.abc import Sequence
from typing import Protocol

from coord.errors import Unavailable

Buffer = bytes | memoryview

LOCK_NAME = "lock"
_IOVECS_MAX = 1024  # IOV_MAX on Linux


class File(Protocol):
    """An open file."""

    @property
    def size_bytes(self) -> int:
        """Length of the file now."""
        ...

    def read(self, offset: int, size_bytes: int) -> bytes:
        """Return up to `size_bytes` from `offset`; fewer only at the end of the file."""
        ...

    def write(self, offset: int, buffers: Sequence[Buffer]) -> None:
        """Write all buffers one after the other; on OSError any part may have been written."""
        ...

    def write_durable(self, offset: int, buffers: Sequence[Buffer]) -> None:
        """Write and sync as one step."""
        ...

    def sync(self) -> None:
        """Make the file's bytes and length durable."""
        ...

    def truncate(self, size_bytes: int) -> None:
        """Cut the file; not durable before a sync."""
        ...

    def close(self) -> None:
        """Let go of the file; syncs nothing."""
        ...


class Disk(Protocol):
    """One directory."""

    def create(self, name: str) -> File:
        """Make an empty file open for writing; FileExistsError if the name is taken."""
        ...

    def open(self, name: str) -> File:
        """Open an existing file for reading and writing."""
        ...

    def reserve(self, name: str, size_bytes: int) -> None:
        """Make a file that occupies `size_bytes`, to be removed when space runs out."""
        ...

    def rename(self, name: str, new_name: str) -> None:
        """Give a file another name, replacing what had it."""
        ...

    def remove(self, name: str) -> None:
        """Remove a name."""
        ...

    def list(self) -> list[str]:
        """All names, sorted."""
        ...

    def sync_directory(self) -> None:
        """Make the names durable."""
        ...

    def free_bytes(self) -> int:
        """Free space for this process."""
        ...

    def lock(self) -> None:
        """Keep other processes out until close.

        Raises:
            Unavailable: another process has it; names its pid.
        """
        ...

    def token(self) -> int:
        """A number from 1 to 2**63 - 1 not seen before, for names and log identities."""
        ...

    def close(self) -> None:
        """Release the lock."""
        ...


class RealFile:
    """A file of the operating system."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    @property
    def size_bytes(self) -> int:
        """Length of the file now."""
        return os.fstat(self._fd).st_size

    def read(self, offset: int, size_bytes: int) -> bytes:
        """Return up to `size_bytes` from `offset`; fewer only at the end of the file."""
        parts: list[bytes] = []
        while size_bytes > 0:
            part = os.pread(self._fd, size_bytes, offset)
            if not part:
                break
            parts.append(part)
            offset += len(part)
            size_bytes -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def write(self, offset: int, buffers: Sequence[Buffer]) -> None:
        """Write all buffers one after the other."""
        self._write(offset, buffers, 0)

    def write_durable(self, offset: int, buffers: Sequence[Buffer]) -> None:
        """Write and sync in one system call where it is known: one release of the interpreter."""
        if hasattr(os, "RWF_DSYNC"):
            self._write(offset, buffers, os.RWF_DSYNC)
        else:
            self._write(offset, buffers, 0)
            self.sync()

    def _write(self, offset: int, buffers: Sequence[Buffer], flags: int) -> None:
        if len(buffers) > _IOVECS_MAX:
            buffers = [b"".join(buffers)]
        left = sum(map(len, buffers))
        while True:
            written = os.pwritev(self._fd, buffers, offset, flags)
            left -= written
            if left == 0:
                return
            # A short write: the next call goes on, or says why it cannot.
            offset += written
            buffers = _without_prefix(buffers, written)

    def sync(self) -> None:
        """Make the file's bytes and length durable."""
        os.fdatasync(self._fd)

    def truncate(self, size_bytes: int) -> None:
        """Cut the file; not durable before a sync."""
        os.ftruncate(self._fd, size_bytes)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._fd)


def _without_prefix(buffers: Sequence[Buffer], size_bytes: int) -> list[Buffer]:
    """Return what is left of `buffers` after their first `size_bytes`."""
    left: list[Buffer] = []
    for buffer in buffers:
        if size_bytes >= len(buffer):
            size_bytes -= len(buffer)
            continue
        left.append(memoryview(buffer)[size_bytes:])
        size_bytes = 0
    return left


class RealDisk:
    """A directory of the operating system, made if missing."""

    def __init__(self, directory: str) -> None:
        """Open `directory`, creating it and its parents.

        Raises:
            OSError: it cannot be made or opened.
        """
        self._path = os.path.abspath(directory)
        _make_durable_directory(self._path)
        self._fd = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY)
        self._lock_fd = -1

    def create(self, name: str) -> RealFile:
        """Make an empty file open for writing."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        return RealFile(os.open(name, flags, 0o600, dir_fd=self._fd))

    def open(self, name: str) -> RealFile:
        """Open an existing file for reading and writing."""
        return RealFile(os.open(name, os.O_RDWR | os.O_CLOEXEC, dir_fd=self._fd))

    def reserve(self, name: str, size_bytes: int) -> None:
        """Make a file that occupies `size_bytes`."""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        fd = os.open(name, flags, 0o600, dir_fd=self._fd)
        try:
            os.posix_fallocate(fd, 0, size_bytes)
        finally:
            os.close(fd)

    def rename(self, name: str, new_name: str) -> None:
        """Give a file another name, replacing what had it."""
        os.rename(name, new_name, src_dir_fd=self._fd, dst_dir_fd=self._fd)

    def remove(self, name: str) -> None:
        """Remove a name."""
        os.unlink(name, dir_fd=self._fd)

    def list(self) -> list[str]:
        """All names, sorted."""
        return sorted(os.listdir(self._fd))

    def sync_directory(self) -> None:
        """Make the names durable."""
        os.fsync(self._fd)

    def free_bytes(self) -> int:
        """Free space for this process."""
        space = os.fstatvfs(self._fd)
        return space.f_bavail * space.f_frsize

    def lock(self) -> None:
        """Keep other processes out until close; the kernel lets go when the process dies."""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        fd = os.open(LOCK_NAME, flags, 0o600, dir_fd=self._fd)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(fd)
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise
            raise Unavailable(
                f"data directory {self._path} is in use by process {holder}; "
                "one directory serves one node at a time"
            ) from error
        os.ftruncate(fd, 0)
        os.pwrite(fd, b"%d\n" % os.getpid(), 0)
        self._lock_fd = fd

    def token(self) -> int:
        """A random number from 1 to 2**63 - 1."""
        return secrets.randbelow(2**63 - 1) + 1

    def close(self) -> None:
        """Release the lock and the directory."""
        if self._lock_fd >= 0:
            os.close(self._lock_fd)
            self._lock_fd = -1
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _make_durable_directory(path: str) -> None:
    """Make a directory and every missing parent, each name durable in its own parent.

    A directory that is there already may have been made a moment ago by somebody less careful;
    where its parent cannot be opened, that is out of our hands.
    """
    parent = os.path.dirname(path)
    if not os.path.isdir(parent):
        _make_durable_directory(parent)
    existed = os.path.isdir(path)
    os.makedirs(path, mode=0o700, exist_ok=True)
    try:
        fd = os.open(parent, os.O_RDONLY | os.O_DIRECTORY)
    except PermissionError:
        if existed:
            return
        raise
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
