"""Who a data directory belongs to: a small checked file, written once.

All numbers little-endian: "coordids", u32 format version 1, u32 zero, u64 cluster, u64 node,
u64 log (record.py), u32 zero, u32 CRC-32 of the 44 bytes before.

It is written after the first segment: a directory with an identity and no log has lost its log,
and a node without its log must not come back under its old id.
"""

import struct
import zlib

import attrs

from coord.errors import Corruption, Misuse
from coord.ids import ClusterId, NodeId
from coord.wal.disk import Buffer, Disk

IDENTITY_NAME = "identity"
IDENTITY_BYTES = 48
MAGIC = b"coordids"
FORMAT_VERSION = 1

_FILE = struct.Struct("<8sIIQQQI")


@attrs.frozen
class Identity:
    """The cluster and the node a directory serves."""

    cluster: ClusterId
    node: NodeId


def encode_identity(identity: Identity, log: int) -> bytes:
    """Return the bytes of the identity file."""
    packed = _FILE.pack(MAGIC, FORMAT_VERSION, 0, identity.cluster, identity.node, log, 0)
    return packed + zlib.crc32(packed).to_bytes(4, "little")


def decode_identity(data: Buffer) -> tuple[Identity, int]:
    """Read the identity file: whose, and the number of the log.

    Raises:
        Corruption: not such a file; says what is wrong, not where.
    """
    if len(data) != IDENTITY_BYTES:
        raise Corruption("identity file has the wrong length")
    magic, version, zero, cluster, node, log, more = _FILE.unpack_from(data)
    if magic != MAGIC:
        raise Corruption("this is no identity file")
    if version != FORMAT_VERSION:
        raise Corruption(f"identity format {version}; this build reads {FORMAT_VERSION}")
    stored = int.from_bytes(data[IDENTITY_BYTES - 4 :], "little")
    if zlib.crc32(data[: IDENTITY_BYTES - 4]) != stored or zero or more:
        raise Corruption("identity file is damaged")
    return Identity(ClusterId(cluster), NodeId(node)), log


def read_identity(disk: Disk) -> tuple[Identity, int] | None:
    """Read a directory's identity; None if it has none yet.

    Raises:
        Corruption: the file is damaged.
    """
    if IDENTITY_NAME not in disk.list():
        return None
    file = disk.open(IDENTITY_NAME)
    try:
        return decode_identity(file.read(0, IDENTITY_BYTES + 1))
    except Corruption as error:
        raise Corruption(f"{IDENTITY_NAME}: {error}") from error
    finally:
        file.close()


def write_identity(disk: Disk, identity: Identity, log: int) -> None:
    """Make a directory's identity durable, whole or not at all."""
    temporary = f"{IDENTITY_NAME}.tmp"
    file = disk.create(temporary)
    try:
        file.write_durable(0, [encode_identity(identity, log)])
    finally:
        file.close()
    disk.rename(temporary, IDENTITY_NAME)
    disk.sync_directory()


def check_identity(found: Identity, wanted: Identity) -> None:
    """Refuse to serve from another's directory.

    Raises:
        Misuse: the directory belongs to another cluster or node; names both.
    """
    if found != wanted:
        raise Misuse(
            f"this data directory belongs to node {found.node:x} of cluster {found.cluster:x}, "
            f"not to node {wanted.node:x} of cluster {wanted.cluster:x}"
        )
