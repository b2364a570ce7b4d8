"""Were clients told the truth? Every answer against the replayed log, and all in real time.

The log gives the one true order, so strict serializability needs no search: an answer must be
what the log says at its place, and the places must respect what was called after what returned.
The linearizability checker judges the same history once more without knowing the log.
"""

from collections import Counter
from collections.abc import Sequence
from heapq import heappop, heappush

from coord.errors import CoordError, Refused
from coord.requests import (
    DeleteRange,
    DeleteReply,
    ErrorReply,
    LeaseTimeToLiveReply,
    Put,
    PutReply,
    Range,
    RangeReply,
    Reply,
    TransferReply,
    Txn,
    TxnReply,
)
from coord.testing.history import Call, History
from coord.testing.linearizability import FOREVER, Operation, Verdict, check
from coord.testing.register import (
    Answer,
    DeleteCall,
    Found,
    GetCall,
    PutCall,
    Register,
    SwapCall,
    Written,
)
from coord.testing.register import Call as RegisterCall
from coord.testing.replay import Effect, Replay
from coord.testing.violation import Violation
from coord.testing.workload import REGISTERS


def check_history(history: History, replay: Replay) -> None:
    """Judge everything clients were told.

    Raises:
        Violation: some answer is not so.
    """
    for call in history.calls:
        if call.is_write:
            check_write(call, replay)
        elif call.reply is not None:
            check_read(call, replay)
    check_real_time(history.calls, replay)


# --- single answers -----------------------------------------------------------------------------


def effects_of(call: Call, replay: Replay) -> list[Effect]:
    """Return every time a write was carried out, under any of its numbers."""
    return [effect for number in call.numbers for effect in replay.effects.get(number, ())]


def check_write(call: Call, replay: Replay) -> None:
    """A write happened at most once; as it was answered if it was; not if so it was said."""
    effects = effects_of(call, replay)
    if len(effects) > 1:
        raise Violation(f"once: {call} was carried out {len(effects)} times: {effects}")
    done = [effect for effect in effects if not isinstance(effect.reply, ErrorReply)]
    if call.certainly_not_done and done:
        raise Violation(f"not done, said the client; yet it was: {call}, {effects}")
    if not call.answered:
        return
    if not effects:
        raise Violation(f"durability: {call} was answered, and is not in the log")
    told: Reply | CoordError | None = call.reply or call.error
    said = effects[0].reply
    if isinstance(told, Refused):
        if not isinstance(said, ErrorReply) or said.code != told.code:
            raise Violation(f"{call} was refused; the log says {said}")
    elif told != said:
        raise Violation(f"{call} was answered with {told}; the log says {said}")


def check_read(call: Call, replay: Replay) -> None:
    """A read shows the store exactly as it was at the revision it names."""
    reply, op = call.reply, call.op
    if isinstance(reply, TransferReply | LeaseTimeToLiveReply):
        return
    assert isinstance(op, Range)
    assert isinstance(reply, RangeReply)
    if reply.revision > replay.store.revision:
        raise Violation(f"{call} shows a revision that never was: {reply.revision}")
    expected = replay.read_at(op, op.revision or reply.revision)
    shown = (reply.kvs, reply.count, reply.more)
    if shown != (expected.kvs, expected.count, expected.more):
        raise Violation(f"{call} shows {reply}; the log says {expected}")


# --- real time ----------------------------------------------------------------------------------


def check_real_time(calls: Sequence[Call], replay: Replay) -> None:
    """What returned before a call began comes before it in the log.

    Each operation has a place (revision, whether it made it). A later call must not be placed
    before the highest place that had returned when it began.
    """
    returned: list[tuple[int, int, int]] = []
    revision_floor = index_floor = 0
    for call in sorted(calls, key=lambda call: call.called):
        while returned and returned[0][0] < call.called:
            _, revision, index = heappop(returned)
            revision_floor = max(revision_floor, revision)
            index_floor = max(index_floor, index)
        if not call.answered or call.serializable or call.returned is None:
            continue
        revision, index = _place(call, replay)
        if revision and revision < revision_floor:
            raise Violation(f"real time: {call} is at {revision}; {revision_floor} was known")
        if index and index <= index_floor:
            raise Violation(f"real time: {call} is at index {index}; {index_floor} was known")
        heappush(returned, (call.returned, revision, index))


def _place(call: Call, replay: Replay) -> tuple[int, int]:
    """Where an answered call stands: (revision shown or made, index in the log or 0)."""
    if call.is_write:
        effect = effects_of(call, replay)[0]
        return effect.revision_after, effect.index
    return getattr(call.reply, "revision", 0), 0


# --- the same once more, without knowing the log --------------------------------------------------


def check_registers(history: History) -> Counter[Verdict]:
    """Search for a linearization of every register on its own.

    Returns:
        How many registers got which verdict; an illegal one raises instead.
    """
    verdicts: Counter[Verdict] = Counter()
    by_key: dict[bytes, list[Operation[RegisterCall, Answer]]] = {}
    for call in history.calls:
        found = _operation(call)
        if found is not None:
            by_key.setdefault(found[0], []).append(found[1])
    for key, operations in sorted(by_key.items()):
        verdict = check(Register(), operations, steps_max=100_000)
        verdicts[verdict] += 1
        if verdict is Verdict.ILLEGAL:
            raise Violation(f"linearizability: no order explains {key!r}: {operations}")
    return verdicts


def _operation(call: Call) -> tuple[bytes, Operation[RegisterCall, Answer]] | None:
    if call.certainly_not_done or call.serializable or isinstance(call.error, Refused):
        return None
    asked = _register_call(call)
    if asked is None or not asked[0].startswith(REGISTERS):
        return None
    key, register_call = asked
    if call.reply is None:
        if not call.is_write:
            return None  # a read nobody saw constrains nothing
        return key, Operation(call.called, FOREVER, register_call, None)
    assert call.returned is not None
    return key, Operation(call.called, call.returned, register_call, _answer(call.reply))


def _register_call(call: Call) -> tuple[bytes, RegisterCall] | None:
    op = call.op
    if isinstance(op, Put):
        return op.key, PutCall(op.value)
    if isinstance(op, DeleteRange):
        return op.key, DeleteCall()
    if isinstance(op, Range):
        return None if op.range_end or op.revision else (op.key, GetCall())
    if isinstance(op, Txn) and len(op.compare) == 1 and isinstance(op.success[0], Put):
        expected = op.compare[0].value
        swapped = expected if isinstance(expected, bytes) else None
        return op.success[0].key, SwapCall(swapped, op.success[0].value)
    return None


def _answer(reply: Reply) -> Answer:
    if isinstance(reply, PutReply):
        return Written(reply.revision, True)
    if isinstance(reply, DeleteReply):
        return Written(reply.revision, reply.deleted > 0)
    if isinstance(reply, TxnReply):
        return Written(reply.revision, reply.succeeded)
    assert isinstance(reply, RangeReply)
    if not reply.kvs:
        return Found(reply.revision, None, 0)
    return Found(reply.revision, reply.kvs[0].value, reply.kvs[0].mod_revision)
