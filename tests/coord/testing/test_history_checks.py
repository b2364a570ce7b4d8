"""Lies to clients are found: each test tells one, and the check must name it."""

from collections.abc import Callable

import attrs
import pytest

from coord.errors import ErrorCode, error_from
from coord.frames import Batch, WriteFrame
from coord.model import KeyValue
from coord.requests import (
    OpenWriter,
    Put,
    PutReply,
    Range,
    RangeReply,
    WriteOp,
)
from coord.testing.history import Call, History
from coord.testing.history_checks import check_history, check_registers
from coord.testing.linearizability import Verdict
from coord.testing.replay import Replay
from coord.testing.violation import Violation

_WRITER = 77
_KEY = b"r/1"


@attrs.define
class _Told:
    """A little history and the log it should agree with."""

    history: History
    replay: Replay

    @classmethod
    def truly(cls) -> "_Told":
        """Put, read, put, read, one after the other, all of it true."""
        told = cls(History(), Replay())
        told.replay.apply(1, Batch(0, (WriteFrame(_WRITER, 0, 0, (OpenWriter(),)),)))
        for number in (1, 2):
            put = Put(_KEY, b"%d" % number)
            told.replay.apply(1 + number, Batch(0, (WriteFrame(_WRITER, 0, number, (put,)),)))
            told.write(put, number, PutReply(number + 1))
            kv = KeyValue(_KEY, put.value, 2, number + 1, number)
            told.read(RangeReply(number + 1, (kv,), False, 1))
        return told

    def write(self, op: WriteOp, number: int, reply: PutReply) -> Call:
        call = self.history.call("c", op, 0.0, is_write=True)
        call.numbers.append((_WRITER, number))
        self.history.returned(call, 0.0, reply)
        return call

    def read(self, reply: RangeReply) -> Call:
        call = self.history.call("c", Range(_KEY), 0.0, is_write=False)
        self.history.returned(call, 0.0, reply)
        return call

    @property
    def calls(self) -> list[Call]:
        return self.history.calls


def test_the_truth_passes() -> None:
    told = _Told.truly()
    check_history(told.history, told.replay)
    assert check_registers(told.history) == {Verdict.OK: 1}


def _lost_write(told: _Told) -> None:
    told.write(Put(_KEY, b"3"), 3, PutReply(4))


def _wrong_answer(told: _Told) -> None:
    told.calls[0].reply = PutReply(9)


def _applied_twice(told: _Told) -> None:
    effects = told.replay.effects[_WRITER, 1]
    effects.append(effects[0])


def _not_done_but_done(told: _Told) -> None:
    told.calls[0].reply = None
    told.calls[0].error = error_from(ErrorCode.NO_LEADER)


def _stale_read(told: _Told) -> None:
    told.calls[3].reply = told.calls[1].reply


def _invented_value(told: _Told) -> None:
    told.calls[3].reply = RangeReply(3, (KeyValue(_KEY, b"no", 2, 3, 2),), False, 1)


def _revision_from_the_future(told: _Told) -> None:
    told.calls[3].reply = RangeReply(30, (), False, 0)


@pytest.mark.parametrize(
    ("lie", "name"),
    [
        (_lost_write, "durability"),
        (_wrong_answer, "was answered with"),
        (_applied_twice, "once"),
        (_not_done_but_done, "not done, said the client"),
        (_stale_read, "real time"),
        (_invented_value, "the log says"),
        (_revision_from_the_future, "never was"),
    ],
)
def test_each_lie_is_named(lie: Callable[[_Told], None], name: str) -> None:
    told = _Told.truly()
    lie(told)
    with pytest.raises(Violation, match=name):
        check_history(told.history, told.replay)


def test_a_stale_read_is_fine_where_it_was_asked_for() -> None:
    told = _Told.truly()
    told.calls[3].reply = told.calls[1].reply
    told.calls[3].serializable = True
    check_history(told.history, told.replay)


def test_an_unanswered_write_may_be_in_the_log_or_not() -> None:
    told = _Told.truly()
    told.calls[2].reply = None
    told.calls[2].error = error_from(ErrorCode.LOST_ANSWER)
    never = told.history.call("c", Put(_KEY, b"never"), 0.0, is_write=True)
    assert never.unknown
    check_history(told.history, told.replay)
    assert check_registers(told.history) == {Verdict.OK: 1}


def test_the_search_finds_a_stale_read_without_the_log() -> None:
    told = _Told.truly()
    told.calls[3].reply = told.calls[1].reply
    with pytest.raises(Violation, match="linearizability"):
        check_registers(told.history)
