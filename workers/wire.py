"""What a worker and its child processes say to each other over a pair of pipes.

A message is a four-byte length and that many bytes of msgpack. Both ends are ours and of one
version, so there is no version here; a length beyond the bound means the pipe is not ours.
"""

import struct
from typing import BinaryIO

import msgspec

from workers.jobs import Failed, Finished

MESSAGE_BYTES_MAX = 64 * 1024 * 1024
_LENGTH = struct.Struct(">I")


class Run(msgspec.Struct, frozen=True, tag="run"):
    """To the child: run this job. One at a time."""

    id: str
    name: str
    attempt: int
    args: dict[str, object]


class Loaded(msgspec.Struct, frozen=True, tag="loaded"):
    """From the child, once: the application is imported."""


class Report(msgspec.Struct, frozen=True, tag="report"):
    """From the child: how far the job is."""

    done: int
    total: int
    message: str


ChildMessage = Loaded | Report | Finished | Failed

_encoder = msgspec.msgpack.Encoder()
_runs = msgspec.msgpack.Decoder(Run)
_child_messages: msgspec.msgpack.Decoder[ChildMessage] = msgspec.msgpack.Decoder(ChildMessage)

LENGTH_BYTES = _LENGTH.size


def pack(message: Run | ChildMessage) -> bytes:
    """Return a message as it travels."""
    body = _encoder.encode(message)
    return _LENGTH.pack(len(body)) + body


def body_bytes(length: bytes) -> int:
    """Return how many bytes follow a length; ValueError when beyond the bound."""
    (size_bytes,) = _LENGTH.unpack(length)
    if size_bytes > MESSAGE_BYTES_MAX:
        raise ValueError(f"a message of {size_bytes} bytes; {MESSAGE_BYTES_MAX} are allowed")
    return int(size_bytes)


def read_child_message(body: bytes) -> ChildMessage:
    """Read what a child said."""
    return _child_messages.decode(body)


def read_run(pipe: BinaryIO) -> Run | None:
    """Read the next job from a blocking pipe; None when the worker has closed it."""
    length = pipe.read(LENGTH_BYTES)
    if len(length) < LENGTH_BYTES:
        return None
    size_bytes = body_bytes(length)
    body = pipe.read(size_bytes)
    return None if len(body) < size_bytes else _runs.decode(body)
