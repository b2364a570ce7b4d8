"""Hashes of the whole store, computed a slice per turn so that asking for one stalls nobody."""

from collections import deque
from collections.abc import Iterator
from hashlib import blake2b

import attrs

from coord.ids import LogIndex
from coord.node.reads import WaitingRead
from coord.requests import HashReply
from coord.store.machine import Store

HASHES_MAX = 64  # read frames waiting for a hash; more are refused


@attrs.define
class _Job:
    """One read frame, and the snapshot being hashed for it."""

    read: WaitingRead
    reply: HashReply
    """All but the digest."""
    parts: Iterator[bytes]
    hasher: "blake2b" = attrs.field(factory=lambda: blake2b(digest_size=32))


class Hashing:
    """Read frames that wait for a hash, first come first served."""

    def __init__(self) -> None:
        self._jobs: deque[_Job] = deque()

    @property
    def busy(self) -> bool:
        """Whether go_on() has work."""
        return bool(self._jobs)

    def take(self, read: WaitingRead, store: Store, index: LogIndex) -> bool:
        """Begin a hash of `store` as it is now; False if too many wait already."""
        if len(self._jobs) >= HASHES_MAX:
            return False
        last = self._jobs[-1] if self._jobs else None
        reply = HashReply(index, store.revision, b"")
        if last is not None and last.reply == reply:
            self._jobs.append(_Job(read, reply, iter(())))  # shares the digest before it
        else:
            self._jobs.append(_Job(read, reply, store.snapshot()))
        return True

    def go_on(self) -> tuple[WaitingRead, HashReply] | None:
        """Hash one slice; return a read with its answer when one is complete."""
        job = self._jobs[0]
        part = next(job.parts, None)
        if part is not None:
            job.hasher.update(part)
            return None
        self._jobs.popleft()
        if self._jobs and self._jobs[0].reply == job.reply:
            self._jobs[0].hasher = job.hasher
        digest = job.hasher.digest()
        return job.read, HashReply(job.reply.applied_index, job.reply.revision, digest)
