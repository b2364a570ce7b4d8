"""The checker itself: known histories, a dumb twin, and planted mistakes it must find."""

from itertools import permutations
from random import Random

import attrs
import pytest

from coord.testing.linearizability import FOREVER, Operation, Verdict, check
from coord.testing.register import (
    Answer,
    Call,
    DeleteCall,
    Found,
    GetCall,
    PutCall,
    Register,
    State,
    SwapCall,
    Written,
)

Op = Operation[Call, Answer]


def _op(called: float, returned: float, call: Call, answer: Answer | None) -> Op:
    return Operation(called, returned, call, answer)


def test_an_empty_history_is_linearizable() -> None:
    assert check(Register(), []) is Verdict.OK


def test_a_read_must_see_a_write_that_returned_before_it() -> None:
    put = _op(0, 1, PutCall(b"a"), Written(2, True))
    assert check(Register(), [put, _op(2, 3, GetCall(), Found(2, b"a", 2))]) is Verdict.OK
    assert check(Register(), [put, _op(2, 3, GetCall(), Found(1, None, 0))]) is Verdict.ILLEGAL


def test_a_read_beside_a_write_may_see_either() -> None:
    put = _op(0, 10, PutCall(b"a"), Written(2, True))
    for answer in (Found(1, None, 0), Found(2, b"a", 2)):
        assert check(Register(), [put, _op(1, 2, GetCall(), answer)]) is Verdict.OK


def test_two_reads_must_not_go_back_in_time() -> None:
    put = _op(0, 10, PutCall(b"a"), Written(2, True))
    history = [
        put,
        _op(1, 2, GetCall(), Found(2, b"a", 2)),
        _op(3, 4, GetCall(), Found(1, None, 0)),
    ]
    assert check(Register(), history) is Verdict.ILLEGAL


def test_an_unanswered_write_may_have_happened_or_not_and_late() -> None:
    lost = _op(0, FOREVER, PutCall(b"a"), None)
    absent = _op(1, 2, GetCall(), Found(1, None, 0))
    present = _op(3, 4, GetCall(), Found(2, b"a", 2))
    assert check(Register(), [lost]) is Verdict.OK
    assert check(Register(), [lost, absent]) is Verdict.OK
    assert check(Register(), [lost, absent, present]) is Verdict.OK
    gone_again = _op(5, 6, GetCall(), Found(2, None, 0))
    assert check(Register(), [lost, present, gone_again]) is Verdict.ILLEGAL


def test_an_unanswered_write_happens_at_most_once() -> None:
    history = [
        _op(0, FOREVER, PutCall(b"a"), None),
        _op(1, 2, GetCall(), Found(2, b"a", 2)),
        _op(3, 4, PutCall(b"b"), Written(3, True)),
        _op(5, 6, GetCall(), Found(4, b"a", 4)),
    ]
    assert check(Register(), history) is Verdict.ILLEGAL


def test_only_one_of_two_swaps_from_the_same_value_wins() -> None:
    first = _op(0, 10, SwapCall(None, b"a"), Written(2, True))
    both = _op(1, 9, SwapCall(None, b"b"), Written(3, True))
    one = _op(1, 9, SwapCall(None, b"b"), Written(2, False))
    assert check(Register(), [first, both]) is Verdict.ILLEGAL
    assert check(Register(), [first, one]) is Verdict.OK


def test_a_delete_says_whether_there_was_something() -> None:
    put = _op(0, 1, PutCall(b"a"), Written(2, True))
    assert check(Register(), [put, _op(2, 3, DeleteCall(), Written(3, True))]) is Verdict.OK
    assert check(Register(), [put, _op(2, 3, DeleteCall(), Written(2, False))]) is Verdict.ILLEGAL


def test_the_cap_gives_no_verdict() -> None:
    history = _history(Random(3), clients=6, count=60)
    assert check(Register(), history, steps_max=3) is Verdict.UNKNOWN


def _history(luck: Random, clients: int, count: int) -> list[Op]:
    """A true history: each operation takes effect at a moment between its call and its return."""
    model, state = Register(), Register().initial()
    moments = luck.sample(range(count * 50), count * 3)
    moments.sort()
    spans = [sorted(moments[i : i + 3 * clients : clients]) for i in _starts(count, clients)]
    busy: list[int] = [-1] * clients
    history: list[Op] = []
    spans.sort(key=lambda span: span[1])
    revision = 1
    for called, _, returned in spans:
        free = [c for c in range(clients) if busy[c] < called]
        if not free:
            continue
        busy[luck.choice(free)] = returned
        call = _call(luck, len(history), state)
        state, revision, answer = _perform(model, state, revision, call)
        lost = luck.random() < 0.1
        history.append(
            Operation(called, FOREVER if lost else returned, call, None if lost else answer)
        )
    return history


def _starts(count: int, clients: int) -> list[int]:
    """Where spans of three moments begin so that `clients` of them overlap and none is shared."""
    block = 3 * clients
    return [
        base + place for base in range(0, count * 3 - block + 1, block) for place in range(clients)
    ]


def _call(luck: Random, number: int, state: State) -> Call:
    value = b"%d" % number
    expected = state[0] if luck.random() < 0.7 else b"no such value"
    kinds: list[Call] = [PutCall(value), DeleteCall(), GetCall(), SwapCall(expected, value)]
    return luck.choice(kinds)


def _perform(model: Register, state: State, revision: int, call: Call) -> tuple[State, int, Answer]:
    if isinstance(call, GetCall):
        return state, revision, Found(revision, state[0], state[1])
    for answer in (Written(revision + 1, True), Written(revision, False)):
        after = model.step(state, call, answer)
        if after is not None:
            return after, answer.revision, answer
    raise AssertionError(call)


def _dumb(history: list[Op]) -> bool:
    """Try every order of every subset that holds all answered operations."""
    answered = [op for op in history if op.returned != FOREVER]
    lost = [op for op in history if op.returned == FOREVER]
    for mask in range(1 << len(lost)):
        chosen = answered + [op for bit, op in enumerate(lost) if mask >> bit & 1]
        if any(_fits(order) for order in permutations(chosen)):
            return True
    return False


def _fits(order: tuple[Op, ...]) -> bool:
    model = Register()
    state: State | None = model.initial()
    latest = -1.0
    for op in order:
        if op.returned < latest:
            return False
        latest = max(latest, op.called)
        state = model.step(state, op.call, op.answer)  # type: ignore[arg-type]
        if state is None:
            return False
    return True


@pytest.mark.parametrize("seed", range(40))
def test_it_agrees_with_trying_every_order(seed: int) -> None:
    luck = Random(seed)
    history = _history(luck, clients=3, count=5)
    if luck.random() < 0.7:
        _spoil(luck, history)
    assert (check(Register(), history) is Verdict.OK) == _dumb(history)


@pytest.mark.parametrize("seed", range(20))
def test_true_histories_pass(seed: int) -> None:
    history = _history(Random(seed), clients=8, count=200)
    assert len(history) > 20
    assert check(Register(), history) is Verdict.OK


def _spoil(luck: Random, history: list[Op]) -> None:
    reads = [i for i, op in enumerate(history) if isinstance(op.answer, Found)]
    if reads:
        place = luck.choice(reads)
        answer = history[place].answer
        assert isinstance(answer, Found)
        wrong = attrs.evolve(answer, value=b"%d" % luck.randrange(5), mod_revision=1)
        history[place] = attrs.evolve(history[place], answer=wrong)


def _sequential(count: int) -> list[Op]:
    """Put, read, put, read ... one after the other, so that every change must be noticed."""
    history: list[Op] = []
    for number in range(count):
        value, revision = b"%d" % number, number + 2
        history.append(_op(4 * number, 4 * number + 1, PutCall(value), Written(revision, True)))
        found = Found(revision, value, revision)
        history.append(_op(4 * number + 2, 4 * number + 3, GetCall(), found))
    return history


@pytest.mark.parametrize("place", range(1, 20, 3))
def test_a_dropped_write_is_found(place: int) -> None:
    history = _sequential(20)
    del history[2 * place]
    assert check(Register(), history) is Verdict.ILLEGAL


@pytest.mark.parametrize("place", range(1, 20, 3))
def test_two_swapped_answers_are_found(place: int) -> None:
    history = _sequential(20)
    a, b = history[2 * place - 1], history[2 * place + 1]
    history[2 * place - 1] = attrs.evolve(a, answer=b.answer)
    history[2 * place + 1] = attrs.evolve(b, answer=a.answer)
    assert check(Register(), history) is Verdict.ILLEGAL


@pytest.mark.parametrize("place", range(1, 20, 3))
def test_a_read_stale_by_one_is_found_even_with_a_fresh_revision(place: int) -> None:
    history = _sequential(20)
    stale = history[2 * place - 1].answer
    assert isinstance(stale, Found)
    read = history[2 * place + 1]
    assert isinstance(read.answer, Found)
    for answer in (stale, attrs.evolve(stale, revision=read.answer.revision)):
        spoilt = [*history]
        spoilt[2 * place + 1] = attrs.evolve(read, answer=answer)
        assert check(Register(), spoilt) is Verdict.ILLEGAL
