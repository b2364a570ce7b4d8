"""Turns a bad client frame into clear answers, without harm to its frame-mates.

The fast path decodes a whole frame at once and never comes here. When that fails, each
operation is looked at alone: good ones stay, bad ones become Invalid place holders whose reply
says what was wrong and what is allowed.
"""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from coord import limits
from coord.codec import Codec, client_frames, node_frames
from coord.errors import ErrorCode, ProtocolError
from coord.frames import FrameRejected, WriteFrame
from coord.requests import ErrorReply, Invalid, Put, ReadOp, SetAlarm, WriteOp
from coord.store.checks import check_write

_PUT_TAG = 1


class _LooseWriteFrame(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """A WriteFrame whose operations are not looked into."""

    writer: Annotated[int, Meta(ge=1, le=2**63 - 1)]
    ack_below: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    first_seq: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    ops: tuple[msgspec.Raw, ...]


class _LooseReadFrame(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """A ReadFrame whose operations are not looked into."""

    request: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    serializable: bool
    ops: tuple[msgspec.Raw, ...]


_loose_frames: Codec[_LooseWriteFrame | _LooseReadFrame] = Codec(_LooseWriteFrame | _LooseReadFrame)
_write_ops: Codec[WriteOp] = Codec(WriteOp)
_read_ops: Codec[ReadOp] = Codec(ReadOp)
_anything: Codec[Any] = Codec(Any)


def _over(what: str, size: int, most: int) -> str:
    return f"{what} has {size} bytes; at most {most} are allowed"


def explain_write(raw: bytes | memoryview) -> WriteOp:
    """Decode one write, or say what is wrong with it.

    Args:
        raw: the encoded operation.

    Returns:
        The operation if it is good, else an Invalid carrying code and detail.
    """
    if len(raw) > limits.REQUEST_BYTES_MAX:
        detail = _over("the operation", len(raw), limits.REQUEST_BYTES_MAX)
        return Invalid(ErrorCode.REQUEST_TOO_LARGE, detail)
    try:
        op = _write_ops.decode(raw)
    except ProtocolError as error:
        return _explain_undecodable(_untyped(raw), str(error))
    problem = _check(op)
    return op if problem is None else Invalid(problem.code, problem.detail)


def _untyped(raw: bytes | memoryview) -> Any:
    """Decode whatever is there; None for what is not even a value, such as text that is no UTF-8.

    An operation's extent was found without looking inside, so nothing about its inside is sure.
    """
    try:
        return _anything.decode(raw)
    except (ProtocolError, TypeError):  # TypeError: a map with a key that cannot be one
        return None


def _explain_undecodable(untyped: Any, reason: str) -> Invalid:
    """Name the usual faults of a put by their own codes; anything else is malformed."""
    if isinstance(untyped, list) and len(untyped) > 1 and isinstance(untyped[1], bytes):
        key = untyped[1]
        if not key:
            return Invalid(ErrorCode.EMPTY_KEY)
        if len(key) > limits.KEY_BYTES_MAX:
            return Invalid(
                ErrorCode.KEY_TOO_LARGE, _over("the key", len(key), limits.KEY_BYTES_MAX)
            )
        value = untyped[2] if untyped[0] == _PUT_TAG and len(untyped) > 2 else b""
        if isinstance(value, bytes) and len(value) > limits.VALUE_BYTES_MAX:
            return Invalid(
                ErrorCode.VALUE_TOO_LARGE, _over("the value", len(value), limits.VALUE_BYTES_MAX)
            )
    return Invalid(ErrorCode.MALFORMED, reason)


def mend_write_frame(frame: WriteFrame) -> WriteFrame | None:
    """Replace operations that the store would never take.

    Returns:
        None when all are good (the usual case), else the frame with Invalid in their places.
    """
    suspects = [at for at, op in enumerate(frame.ops) if type(op) is not Put or _has_option(op)]
    problems = {at: found for at in suspects if (found := _check(frame.ops[at]))}
    if not problems:
        return None
    ops = tuple(
        Invalid(problems[at].code, problems[at].detail) if at in problems else op
        for at, op in enumerate(frame.ops)
    )
    return WriteFrame(frame.writer, frame.ack_below, frame.first_seq, ops)


def _has_option(op: Put) -> bool:
    """Whether a put needs more than the bounds its type has already checked."""
    return op.ignore_value or op.ignore_lease or op.sequence


def _check(op: WriteOp) -> ErrorReply | None:
    if type(op) is SetAlarm:
        return ErrorReply(ErrorCode.NOT_SUPPORTED, "alarms are raised by nodes only")
    return check_write(op)


def salvage(
    payload: bytes,
) -> WriteFrame | FrameRejected | tuple[int, tuple[ReadOp | ErrorReply, ...]]:
    """Make the best of a payload that is no valid frame.

    Returns:
        A write frame with bad operations replaced; or for a read frame its number and each
        operation or its error; or the rejection to send back.
    """
    try:
        loose = _loose_frames.decode(payload)
    except ProtocolError:
        try:
            client_frames.decode(payload)
        except ProtocolError as error:
            return FrameRejected(ErrorCode.MALFORMED, str(error))
        return FrameRejected(ErrorCode.MALFORMED, "frame refused")
    if not 1 <= len(loose.ops) <= limits.FRAME_OPS_MAX:
        detail = (
            f"{len(loose.ops)} operations in one frame; 1 to {limits.FRAME_OPS_MAX} are allowed"
        )
        return FrameRejected(ErrorCode.TOO_MANY_OPS, detail)
    if isinstance(loose, _LooseReadFrame):
        return loose.request, tuple(_explain_read(memoryview(raw)) for raw in loose.ops)
    ops = tuple(explain_write(memoryview(raw)) for raw in loose.ops)
    return WriteFrame(loose.writer, loose.ack_below, loose.first_seq, ops)


def _explain_read(raw: memoryview) -> ReadOp | ErrorReply:
    try:
        return _read_ops.decode(raw)
    except ProtocolError as error:
        found = _explain_undecodable(_untyped(raw), str(error))
        return ErrorReply(found.code, found.detail)


def rejection(code: ErrorCode, detail: str) -> bytes:
    """Encode the answer to bytes that are no frame."""
    return node_frames.encode(FrameRejected(code, detail))
