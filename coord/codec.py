"""Bytes to values and back, for frames and log payloads; one error for whatever is malformed.

A decoder is built once per type and shared: it keeps no state between calls. A payload of the
log starts with a format version byte, so that a later format can be told apart.
"""

from typing import Any, Generic, TypeVar

import msgspec

from coord.errors import ErrorCode, ProtocolError
from coord.frames import Batch, ClientFrame, NodeFrame

T = TypeVar("T")

BATCH_VERSION = 1

_encoder = msgspec.msgpack.Encoder()


class Codec(Generic[T]):
    """Encodes and decodes one type (often a union of frames)."""

    def __init__(self, kind: Any) -> None:
        self._decoder: msgspec.msgpack.Decoder[T] = msgspec.msgpack.Decoder(kind)

    def encode(self, value: T) -> bytes:
        """Return the msgpack form of `value`. Equal values give equal bytes."""
        return _encoder.encode(value)

    def decode(self, encoded: bytes | memoryview) -> T:
        """Return the value `encoded` stands for.

        Raises:
            ProtocolError: for any bytes that are not exactly one valid value.
        """
        try:
            return self._decoder.decode(encoded)
        except (msgspec.MsgspecError, UnicodeDecodeError, OverflowError, RecursionError) as error:
            raise ProtocolError(f"malformed message: {error}", ErrorCode.MALFORMED) from error


client_frames: Codec[ClientFrame] = Codec(ClientFrame)
node_frames: Codec[NodeFrame] = Codec(NodeFrame)
_batches: Codec[Batch] = Codec(Batch)


class _RawBatch(msgspec.Struct, frozen=True, array_like=True):
    """A Batch whose frames are still the bytes the clients sent."""

    time_ms: int
    frames: tuple[msgspec.Raw, ...]


def encode_batch(time_ms: int, frames: tuple[bytes, ...]) -> bytes:
    """Build a log payload from write frames in their encoded form, without re-encoding them.

    Args:
        time_ms: cluster time of the entry, milliseconds.
        frames: each the bytes of one WriteFrame, already decoded once and found valid.
    """
    raw = _RawBatch(time_ms, tuple(msgspec.Raw(frame) for frame in frames))
    return bytes((BATCH_VERSION,)) + _encoder.encode(raw)


def decode_batch(payload: bytes) -> Batch:
    """Read a log payload back.

    Raises:
        ProtocolError: unknown version, or not a batch.
    """
    if not payload or payload[0] != BATCH_VERSION:
        found = payload[0] if payload else "nothing"
        raise ProtocolError(
            f"log payload version {found}; this build reads {BATCH_VERSION}",
            ErrorCode.WRONG_VERSION,
        )
    return _batches.decode(memoryview(payload)[1:])
