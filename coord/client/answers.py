"""How an answer reaches whoever waits for it: a result, or the error that it stands for."""

from collections.abc import Iterable
from typing import Any, Protocol

from coord.errors import CoordError, ErrorCode, MaybeDone, NotDone, error_from
from coord.requests import ErrorReply, Reply


class Waiter(Protocol):
    """The part of an asyncio.Future that the core uses."""

    def done(self) -> bool:
        """Whether nobody waits any more (answered or cancelled)."""
        ...

    def set_result(self, result: Any, /) -> None:
        """Hand over the reply."""
        ...

    def set_exception(self, error: BaseException, /) -> None:
        """Hand over why there is none."""
        ...


def deliver(waiters: Iterable[Waiter | None], replies: Iterable[Reply]) -> None:
    """Hand each reply to its waiter; None stands for a waiter already told."""
    for waiter, reply in zip(waiters, replies, strict=True):
        if waiter is None or waiter.done():
            continue
        if type(reply) is ErrorReply:
            waiter.set_exception(error_of(reply.code, reply.detail))
        else:
            waiter.set_result(reply)


def fail(waiter: Waiter | None, error: CoordError) -> None:
    """Hand `error` to a waiter that is still there."""
    if waiter is not None and not waiter.done():
        waiter.set_exception(error)


def error_of(code: int, detail: str) -> CoordError:
    """Build the error for a code from the wire; one this version does not know may be done."""
    try:
        known = ErrorCode(code)
    except ValueError:
        return MaybeDone(f"the node answered with unknown error {code}: {detail}")
    return error_from(known, detail)


def is_passing(code: int) -> bool:
    """Whether the refusal of a whole frame may pass: worth another attempt until the deadline."""
    return code in _PASSING


def is_unknown(code: int) -> bool:
    """Whether a code leaves open that the request was or will be done."""
    return code in _UNKNOWN


def late_error(maybe_done: bool, refusal: tuple[int, str] | None) -> CoordError:
    """Build what a request ends with at its deadline.

    Args:
        maybe_done: some attempt may have reached the log.
        refusal: code and detail of the last refusal, if there was any.
    """
    said = "" if refusal is None else f"the last refusal was: {error_of(*refusal)}"
    if maybe_done:
        return error_from(ErrorCode.LOST_ANSWER, said)
    if refusal is None:
        return error_from(ErrorCode.TIMED_OUT, "no node could be reached")
    error = error_of(*refusal)
    if isinstance(error, NotDone):
        return error
    return error_from(ErrorCode.TIMED_OUT, said)


_PASSING: frozenset[int] = frozenset(
    {
        ErrorCode.NO_LEADER,
        ErrorCode.TOO_MANY_REQUESTS,
        ErrorCode.STOPPING,
        ErrorCode.TIMED_OUT,
        ErrorCode.NOT_LEADER,
        ErrorCode.LOST_ANSWER,
        ErrorCode.WRONG_CLUSTER,
        ErrorCode.WRONG_VERSION,
    }
)
_UNKNOWN: frozenset[int] = frozenset(
    {ErrorCode.TIMED_OUT, ErrorCode.LOST_ANSWER, ErrorCode.WRITER_EXPIRED}
)
