"""Tests of what a node makes of frames that are not what they should be."""

import pytest

from coord.errors import ErrorCode
from coord.frames import ReadReply, WriteFrame, WriteReply
from coord.requests import ErrorReply, LeaseGrant, LeaseGrantReply
from coord.testing.lone_node import WRITER, LoneNode

_NOT_UTF8 = b"\x92\x01\xa2\xff\xfe"
_NO_TIMESTAMP = b"\x92\x01\xc7\x0c\xff" + b"\xff" * 12
_MAP_AS_KEY = b"\x92\x01\x81\x81\x01\x01\x01"
_UNREADABLE = {"text": _NOT_UTF8, "timestamp": _NO_TIMESTAMP, "map key": _MAP_AS_KEY}


def _is_malformed(reply: object) -> bool:
    return isinstance(reply, ErrorReply) and reply.code == ErrorCode.MALFORMED


@pytest.mark.parametrize("op", _UNREADABLE.values(), ids=_UNREADABLE.keys())
def test_a_write_whose_inside_cannot_be_read_at_all_is_refused_and_the_node_goes_on(
    op: bytes,
) -> None:
    node = LoneNode()
    (reply,) = node.send(b"\x95\x02\x05\x01\x01\x91" + op)
    assert isinstance(reply, WriteReply)
    assert _is_malformed(reply.replies[0])
    (after,) = node.ask(WriteFrame(WRITER, 2, 2, (LeaseGrant(5000),)))
    assert isinstance(after, WriteReply)
    assert isinstance(after.replies[0], LeaseGrantReply)


@pytest.mark.parametrize("op", _UNREADABLE.values(), ids=_UNREADABLE.keys())
def test_a_read_whose_inside_cannot_be_read_at_all_is_refused(op: bytes) -> None:
    (reply,) = LoneNode().send(b"\x94\x03\x07\xc2\x91" + op)
    assert isinstance(reply, ReadReply)
    assert _is_malformed(reply.replies[0])
