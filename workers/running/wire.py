"""What a worker and its child processes say to each other over a pair of pipes.

A message is a four-byte length and that many bytes of msgpack, never a pickle. Both ends are ours
and of one version, so there is no version here; a length beyond the bound means the pipe is not
ours. `run` is the worker's number for one attempt: what comes back names it.
"""

import struct
from collections.abc import Iterator

import msgspec

MESSAGE_BYTES_MAX = 64 * 1024 * 1024
_LENGTH = struct.Struct(">I")

# --- to the child -------------------------------------------------------------------------------


class Begin(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """Once the application is loaded: what kind of child to be.

    Attributes:
        concurrent: run jobs beside each other (threads, event loop), or one after another.
        threads: how many jobs may run in threads.
        tell_rss: say how much memory this process uses after each job.
    """

    concurrent: bool
    threads: int = 1
    tell_rss: bool = False


class Run(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """Run this job; `value` is the job as it is kept."""

    run: int
    id: str
    attempt: int
    value: bytes


class Cancel(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """Ask a job to end."""

    run: int
    reason: str


class Recall(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """Give back the jobs that have not been started; the answer is Recalled."""


# --- from the child -----------------------------------------------------------------------------


class Loaded(msgspec.Struct, frozen=True, array_like=True, tag=11):
    """The application is imported; job functions by name, with where each wants to run."""

    functions: dict[str, str]


class Report(msgspec.Struct, frozen=True, array_like=True, tag=12):
    """How far a job is."""

    run: int
    done: int
    total: int
    message: str


class Spawned(msgspec.Struct, frozen=True, array_like=True):
    """A job to be enqueued exactly if the attempt that asked for it ends well."""

    queue: str
    priority: int
    value: bytes


class Finished(msgspec.Struct, frozen=True, array_like=True, tag=13):
    """An attempt that ended well; the result is JSON, or msgpack where JSON cannot say it."""

    run: int
    took_us: int
    result: bytes = b"null"
    result_msgpack: bytes = b""
    log: str = ""
    spawned: tuple[Spawned, ...] = ()
    rss_bytes: int = 0


class Failed(msgspec.Struct, frozen=True, array_like=True, tag=14):
    """An attempt that did not: why, and whether another could fare better.

    Attributes:
        run: which.
        took_us: how long it took, in microseconds.
        cause: for people.
        again: False where no other attempt can fare better.
        after_ms: when to try again, in the job's own words; -1 leaves it to the job's options.
        log: the end of what it logged.
        rss_bytes: memory in use afterwards; 0 where nobody asked.
    """

    run: int
    took_us: int
    cause: str
    again: bool = True
    after_ms: int = -1
    log: str = ""
    rss_bytes: int = 0


class PutOff(msgspec.Struct, frozen=True, array_like=True, tag=15):
    """A job that wants to be run later; no failure."""

    run: int
    took_us: int
    after_ms: int
    log: str = ""
    rss_bytes: int = 0


class Recalled(msgspec.Struct, frozen=True, array_like=True, tag=16):
    """These have not been started and will not be."""

    runs: tuple[int, ...]


ToChild = Begin | Run | Cancel | Recall
Outcome = Finished | Failed | PutOff
FromChild = Loaded | Report | Finished | Failed | PutOff | Recalled

_encoder = msgspec.msgpack.Encoder()
to_child: msgspec.msgpack.Decoder[ToChild] = msgspec.msgpack.Decoder(ToChild)
from_child: msgspec.msgpack.Decoder[FromChild] = msgspec.msgpack.Decoder(FromChild)


class NotOurs(Exception):
    """What came through a pipe cannot have been sent by the other end as it should be."""


def pack(message: ToChild | FromChild) -> bytes:
    """Return a message as it travels.

    Raises:
        ValueError: it is longer than MESSAGE_BYTES_MAX.
    """
    body = _encoder.encode(message)
    if len(body) > MESSAGE_BYTES_MAX:
        raise ValueError(f"a message of {len(body)} bytes; {MESSAGE_BYTES_MAX} are allowed")
    return _LENGTH.pack(len(body)) + body


class Frames:
    """Cuts what arrives in pieces into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the bodies that are complete with this piece.

        Raises:
            NotOurs: a length beyond the bound.
        """
        self._buffer += data
        at, end = 0, len(self._buffer)
        bodies = []
        while end - at >= _LENGTH.size:
            (size_bytes,) = _LENGTH.unpack_from(self._buffer, at)
            if size_bytes > MESSAGE_BYTES_MAX:
                raise NotOurs(f"{size_bytes} bytes; {MESSAGE_BYTES_MAX} are allowed")
            if end - at - _LENGTH.size < size_bytes:
                break
            at += _LENGTH.size
            bodies.append(bytes(self._buffer[at : at + size_bytes]))
            at += size_bytes
        del self._buffer[:at]
        return iter(bodies)
