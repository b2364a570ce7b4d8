"""Files that appear whole or not at all, and their digests."""

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path


def publish_file(target: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a file aside, make it durable, then put it in the place of `target`.

    A reader sees the old content or the new one. A process killed on the way leaves a file named
    `.NAME.PID.tmp` beside it and `target` as it was.
    """
    aside = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    aside.unlink(missing_ok=True)
    try:
        write(aside)
        with aside.open("rb") as written:
            os.fsync(written.fileno())
        aside.replace(target)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    directory = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def copy_file(source: Path, target: Path) -> None:
    """Copy a file so that `target` appears whole."""
    publish_file(target, lambda aside: shutil.copyfile(source, aside))


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
