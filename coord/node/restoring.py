"""A data folder that begins with a saved snapshot, for the member of a new cluster.

Every member of the new cluster must be made from the same file, with the same list of members:
they then start as if all of them had applied the same log up to the snapshot's place in it.
"""

import contextlib
import shutil
from collections.abc import Iterable
from pathlib import Path

from coord.config import NodeConfig
from coord.errors import ErrorCode, Misuse
from coord.ids import NodeId
from coord.raft.messages import HardState, Membership, SnapshotMeta, Write
from coord.wal.disk import RealDisk
from coord.wal.identity import Identity
from coord.wal.items import SnapshotMark
from coord.wal.jobs import PutMark, put_mark
from coord.wal.port import SnapshotSaved
from coord.wal.wal import Wal

_TERM = 1
_UNFINISHED = ".restoring"


def restore_member(config: NodeConfig, chunks: Iterable[bytes], index: int) -> None:
    """Make a member's data folder from a snapshot; all of it or none.

    Args:
        config: of the member to be; its data folder must be missing or empty.
        chunks: of the snapshot, in order; checked while they are drawn.
        index: the place in the log it stands for; at least 1.

    Raises:
        Misuse: there is something in the data folder.
        ProtocolError: the snapshot is damaged.
        OSError: the disk failed.
    """
    assert index >= 1
    folder = config.data_dir
    if folder.exists() and any(folder.iterdir()):
        raise Misuse(f"{folder} is not empty; restore into a new folder", ErrorCode.INVALID_OPTION)
    unfinished = folder.with_name(folder.name + _UNFINISHED)
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True, mode=0o700)
    try:
        _fill(unfinished, config, chunks, index)
        unfinished.rename(folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    with contextlib.closing(RealDisk(str(folder.parent))) as parent:
        parent.sync_directory()


def _fill(folder: Path, config: NodeConfig, chunks: Iterable[bytes], index: int) -> None:
    members = tuple(sorted(int(node) for node in config.peer_addresses()))
    meta = SnapshotMeta(index, _TERM, Membership(members))
    identity = Identity(cluster=config.cluster, node=NodeId(config.node_id))
    wal = Wal.open(RealDisk(str(folder)), identity)
    try:
        wal.log.append([Write(ticket=1, hard_state=HardState(_TERM, 0, 0), entries=())])
        mark = _save(wal, meta, chunks)
        job = PutMark(mark, keep_suffix=False, answer=SnapshotSaved(meta, mark.size_bytes))
        release = put_mark(wal, job)
        wal.release(release.mark, release.obsolete)
    finally:
        wal.close()


def _save(wal: Wal, meta: SnapshotMeta, chunks: Iterable[bytes]) -> SnapshotMark:
    for chunk in chunks:
        wal.shelf.save_chunk(meta, chunk, last=False)
    mark = wal.shelf.save_chunk(meta, b"", last=True)
    if not isinstance(mark, SnapshotMark):
        raise OSError("no space left for the snapshot")
    return mark
