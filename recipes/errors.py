"""What recipes raise beside the client's own errors. Each says that nothing was done."""

from collections.abc import Iterator
from contextlib import contextmanager

from coord.errors import ErrorCode, Misuse, NotDone, Refused, Unavailable


class SessionLost(NotDone):
    """The session's lease has ended, and with it whatever was held under it."""


class NotLeader(Refused):
    """The office is held by somebody else by now; nothing was written."""


class StaleClaim(Refused):
    """The claim has ended, so another worker may hold the item; nothing was written."""


class NotHolder(Refused):
    """It is not, or no longer, the caller's to give up; nothing was changed."""


class StillHeld(Unavailable):
    """Others held it until the deadline; no place in line is left behind."""


class NeverOpens(Misuse):
    """A gate that waited for this could never open; nothing was asked."""


class GateDiffers(Refused):
    """A gate of this name was declared otherwise; nothing was changed."""


class AlreadyQueued(Refused):
    """An item of this name is in the queue; nothing was changed."""


class LimitMismatch(Refused):
    """It was made with another limit; nothing was changed."""


class NotANumber(Refused):
    """The key holds no whole number; nothing was written."""


class Contended(Unavailable):
    """Others were faster each time it was tried; nothing was written."""


class BarrierFull(Refused):
    """As many as the barrier is for are there already; nothing is left behind."""


@contextmanager
def session_ends() -> Iterator[None]:
    """Tell a write refused because its lease is gone as what that means: SessionLost.

    The store may know of a session's end before the session does.
    """
    try:
        yield
    except Refused as error:
        if error.code is ErrorCode.LEASE_NOT_FOUND:
            raise SessionLost from error
        raise
