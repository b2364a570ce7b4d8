"""A snapshot's blocks to bytes and back; every byte is checked before any of it is believed.

Knows the frame around a block and the order of kinds, not what rows mean: loading a store,
surveying a file and rewriting one all read the same stream.
"""

from collections.abc import Iterator
from hashlib import blake2b
from zlib import crc32

import msgspec

from coord.errors import ErrorCode, ProtocolError
from coord.store.blocks import BLOCK_BYTES_MAX, BLOCK_HEADER, MAGIC, Block, End, Head

_decoder = msgspec.msgpack.Decoder(Block)


def damaged(what: str) -> ProtocolError:
    """Return the error for a snapshot that is not what was written."""
    return ProtocolError(f"damaged snapshot: {what}", ErrorCode.MALFORMED)


class BlockWriter:
    """Frames the blocks of one snapshot, in order."""

    def __init__(self) -> None:
        self._count = 0
        self._hasher = blake2b(digest_size=32)

    def encode(self, block: Block) -> bytes:
        """Return the bytes of the next block; the first brings the magic number along."""
        payload = msgspec.msgpack.encode(block)
        chunk = BLOCK_HEADER.pack(len(payload), crc32(payload)) + payload
        if not self._count:
            chunk = MAGIC + chunk
        self._count += 1
        self._hasher.update(chunk)
        return chunk

    def end(self) -> End:
        """Return the block that seals what was encoded so far."""
        return End(self._count, self._hasher.digest())


class BlockReader:
    """Takes the bytes of a snapshot in pieces of any size and hands out its blocks."""

    def __init__(self) -> None:
        self._left = bytearray()
        self._hasher = blake2b(digest_size=32)
        self._count = 0
        self._started = False
        self._order = 0  # tag of the last block: they never go back
        self.end: End | None = None
        """The last block, once it was read and found right."""

    def feed(self, piece: bytes) -> Iterator[Block]:
        """Take the next bytes and yield the blocks they complete. To be exhausted.

        Raises:
            ProtocolError: they are not those of a whole snapshot; the reader is of no more use.
        """
        self._left += piece
        if not self._started:
            if len(self._left) < len(MAGIC):
                return
            self._start()
        at, view = 0, bytes(self._left)
        while len(view) - at >= BLOCK_HEADER.size:
            size, checksum = BLOCK_HEADER.unpack_from(view, at)
            if size > BLOCK_BYTES_MAX:
                raise damaged(f"a block of {size} bytes")
            stop = at + BLOCK_HEADER.size + size
            if stop > len(view):
                break
            payload = memoryview(view)[at + BLOCK_HEADER.size : stop]
            if crc32(payload) != checksum:
                raise damaged(f"checksum of block {self._count}")
            yield self._take(payload)
            self._hasher.update(memoryview(view)[at:stop])
            self._count += 1
            at = stop
        self._left = bytearray(view[at:])

    def finish(self) -> None:
        """Say that all bytes were fed.

        Raises:
            ProtocolError: something is missing, or there is too much.
        """
        if self.end is None or self._left:
            raise damaged("it has no end" if self.end is None else "bytes after its end")

    def _start(self) -> None:
        magic = bytes(self._left[: len(MAGIC)])
        if magic != MAGIC:
            if magic[:-1] == MAGIC[:-1]:
                found, read = magic[-1], MAGIC[-1]
                raise ProtocolError(
                    f"snapshot format {found}; this build reads {read}", ErrorCode.WRONG_VERSION
                )
            raise damaged("it does not begin like one")
        self._hasher.update(magic)
        del self._left[: len(MAGIC)]
        self._started = True

    def _take(self, payload: memoryview) -> Block:
        try:
            block: Block = _decoder.decode(payload)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise damaged(f"block {self._count}: {error}") from error
        order = type(block).__struct_config__.tag
        assert isinstance(order, int)
        is_first = self._count == 0
        if self.end is not None or order < self._order or is_first is not (type(block) is Head):
            raise damaged(f"block {self._count} is out of place")
        self._order = order
        if type(block) is End:
            if block.blocks != self._count or block.digest != self._hasher.digest():
                raise damaged("its end does not seal what stands before")
            self.end = block
        return block
