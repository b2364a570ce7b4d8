"""A saved snapshot as a file: it appears whole and durable, or not at all."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from coord import limits
from coord.errors import CoordError, NotDone, ProtocolError
from coord.store.restart import survey


def save_pieces(path: Path, pieces: Iterable[bytes]) -> None:
    """Write a snapshot to `path`, checking it on the way; an older file there is replaced.

    Raises:
        NotDone: parts are missing, the disk failed, or what stands there is no file (a device
            would be replaced by one); nothing is left behind.
    """
    if path.exists() and not path.is_file():
        raise NotDone(f"{path} was not saved: what stands there is no file")
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("wb") as file:
            survey(_written(file, pieces))
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        _sync_folder(path.parent)
    except ProtocolError as error:
        raise NotDone(f"{path} was not saved, try again: {error}") from error
    except OSError as error:
        raise NotDone(f"{path} was not saved: {error}") from error
    finally:
        part.unlink(missing_ok=True)


def read_pieces(path: Path) -> Iterator[bytes]:
    """Yield a file's bytes in pieces.

    Raises:
        CoordError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            while piece := file.read(limits.SNAPSHOT_CHUNK_BYTES):
                yield piece
    except OSError as error:
        raise CoordError(f"{path}: {error}") from error


def _written(file: BinaryIO, pieces: Iterable[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        file.write(piece)
        yield piece


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
