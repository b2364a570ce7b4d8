"""How far a pipeline is: one value, changed only by transactions that name the one before it."""

from enum import Enum

import msgspec

from recipes.decoding import UNREADABLE


class StageState(Enum):
    """Where a stage is."""

    WAITING = "waiting"  #: for other stages, or for its gate
    OPEN = "open"  #: its jobs are being enqueued
    RUNNING = "running"  #: all are; not all have ended
    DONE = "done"  #: ended well, or its failures do not matter
    FAILED = "failed"  #: ended by a job that did not end well
    CANCELLED = "cancelled"  #: ended because the pipeline did


class RunState(Enum):
    """Where a pipeline is."""

    RUNNING = "running"  #: stages wait or run
    STOPPING = "stopping"  #: it has failed or was cancelled; its jobs are being ended
    DONE = "done"  #: every stage has ended well
    FAILED = "failed"  #: a stage has failed
    CANCELLED = "cancelled"  #: somebody wanted it no more


STAGE_ENDED = frozenset({StageState.DONE, StageState.FAILED, StageState.CANCELLED})
RUN_ENDED = frozenset({RunState.DONE, RunState.FAILED, RunState.CANCELLED})


class Cursor(msgspec.Struct, frozen=True, omit_defaults=True):
    """How much of a stage's jobs is enqueued: all pages up to `page`, and `item` of the next."""

    page: str = ""
    item: int = 0


class StageRun(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far a stage is.

    Attributes:
        state: where it is.
        since_unix_ms: since when.
        cursor: see Cursor.
        listed: jobs known when the pipeline was started.
        released: jobs enqueued so far, those that other jobs added to a running stage aside.
        reviving: what did not end well is being put back.
        rounds: how often that was done by its own policy.
        opened_unix_ms: when it opened; 0 while it has not.
        opened_by: what made its gate hold, in words.
        cause: why it failed.
    """

    state: StageState = StageState.WAITING
    since_unix_ms: int = 0
    cursor: Cursor = Cursor()
    listed: int = 0
    released: int = 0
    reviving: bool = False
    rounds: int = 0
    opened_unix_ms: int = 0
    opened_by: tuple[str, ...] = ()
    cause: str = ""


class Run(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far a pipeline is.

    Attributes:
        name: the pipeline's.
        stages: by name, in the spec's order.
        started_unix_ms, ended_unix_ms: by the clocks of who started it and of the steward.
        state: where it is.
        cause: why it stops or did not end well.
        failed: it stops because it failed; else because it was cancelled.
        retries: how often it was taken up again.
        once: the key it was started under.
        keep_ms: how long it is kept after its end.
    """

    name: str
    stages: dict[str, StageRun]
    started_unix_ms: int
    ended_unix_ms: int = 0
    state: RunState = RunState.RUNNING
    cause: str = ""
    failed: bool = False
    retries: int = 0
    once: str = ""
    keep_ms: int = 0

    def with_stage(self, name: str, stage: StageRun) -> "Run":
        """Return the run with one stage further."""
        return msgspec.structs.replace(self, stages={**self.stages, name: stage})


_run_decoder = msgspec.json.Decoder(Run)


def encode_run(run: Run) -> bytes:
    """Return a run as it is kept."""
    return msgspec.json.encode(run)


def decode_run(value: bytes) -> Run | None:
    """Return the run a value stands for, or None where it is none."""
    try:
        return _run_decoder.decode(value)
    except UNREADABLE:
        return None
