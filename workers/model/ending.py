"""How a job ended: what is kept of it, and what whoever waits for its result reads."""

import msgspec

from recipes.decoding import UNREADABLE
from workers.model.job import Attempt
from workers.model.states import State


class Ending(msgspec.Struct, frozen=True, omit_defaults=True):
    """The end of a job.

    Attributes:
        state: DONE, DEAD, CANCELLED or EXPIRED.
        name: of the job function.
        token: of the claim under which it ended; 0 where it was not held.
        attempt: the attempt that ended it, from 1; 0 where it never started.
        worker: who held it.
        result: what the function returned; null where it did not end well.
        result_msgpack: the same for what JSON cannot say (bytes); then `result` is null.
        cause: why it did not end well.
        created_unix_ms, started_unix_ms, ended_unix_ms: by the clocks of enqueuer and worker.
        tags: the job's.
        log: the end of what the last attempt logged.
        history: the attempts before that, see Job.
    """

    state: State
    name: str
    token: int = 0
    attempt: int = 0
    worker: str = ""
    result: msgspec.Raw = msgspec.Raw(b"null")
    result_msgpack: bytes = b""
    cause: str = ""
    created_unix_ms: int = 0
    started_unix_ms: int = 0
    ended_unix_ms: int = 0
    tags: tuple[str, ...] = ()
    log: str = ""
    history: tuple[Attempt, ...] = ()


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Ending)


def encode_ending(ending: Ending) -> bytes:
    """Return an ending as it is kept."""
    return _encoder.encode(ending)


def decode_ending(value: bytes) -> Ending | None:
    """Return the ending a value stands for, or None where it is none."""
    try:
        return _decoder.decode(value)
    except UNREADABLE:
        return None
