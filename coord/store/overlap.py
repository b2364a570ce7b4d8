"""Finding a key that one transaction would put twice, or put and delete: etcd's rule.

Within one branch no key may be put twice, nor put and deleted, nested branches included. Deletes
may overlap each other. A transaction's two branches exclude each other, so they may name the
same key. As in etcd, a delete of a later nested transaction over the put of an earlier one is
not found. A sequenced put makes a name of its own and overlaps nothing; claims and give-backs
pass over what the transaction wrote, so they are not looked at.
"""

from bisect import bisect_right

from coord.requests import DeleteRange, Put, Txn, TxnOp
from coord.store.spans import high_of

_Span = tuple[bytes, bytes | None]


class _Duplicate(Exception):
    """Carries the key that was found."""

    def __init__(self, key: bytes) -> None:
        super().__init__(key)
        self.key = key


def find_duplicate(op: Txn) -> bytes | None:
    """Return a key that breaks the rule, None if there is none."""
    try:
        for branch in (op.success, op.failure):
            _check(branch)
    except _Duplicate as found:
        return found.key
    return None


class _Deletes:
    """Spans that are deleted, kept apart and in order so that a key is looked up quickly."""

    def __init__(self, spans: list[_Span]) -> None:
        self.spans = spans
        self._lows: list[bytes] = []
        self._highs: list[bytes | None] = []
        for low, high in sorted(spans, key=lambda span: span[0]):
            if self._lows and (self._highs[-1] is None or self._highs[-1] >= low):
                last = self._highs[-1]
                self._highs[-1] = None if last is None or high is None else max(last, high)
            else:
                self._lows.append(low)
                self._highs.append(high)

    def check(self, key: bytes) -> None:
        """Raise if the key is deleted."""
        at = bisect_right(self._lows, key) - 1
        if at >= 0:
            high = self._highs[at]
            if high is None or key < high:
                raise _Duplicate(key)


def _span(op: DeleteRange) -> _Span:
    return (op.key, high_of(op.range_end)) if op.range_end else (op.key, op.key + b"\0")


def _check(ops: tuple[TxnOp, ...]) -> tuple[set[bytes], list[_Span]]:
    """Check one branch; returns the keys it puts and the spans it deletes, nested included."""
    deletes = _Deletes([_span(op) for op in ops if type(op) is DeleteRange])
    puts: set[bytes] = set()
    for op in ops:
        if type(op) is Txn:
            deletes = _join_nested(op, puts, deletes)
    for op in ops:
        if type(op) is Put and not (op.sequence or op.same_sequence):
            if op.key in puts:
                raise _Duplicate(op.key)
            deletes.check(op.key)
            puts.add(op.key)
    return puts, deletes.spans


def _join_nested(op: Txn, puts: set[bytes], deletes: _Deletes) -> _Deletes:
    """Add a nested transaction's puts to `puts`; returns the deletes with its own added."""
    then_puts, then_spans = _check(op.success)
    else_puts, else_spans = _check(op.failure)
    for key in sorted(then_puts | else_puts):
        if key in puts:
            raise _Duplicate(key)
        deletes.check(key)
    puts |= then_puts | else_puts
    if not then_spans and not else_spans:
        return deletes
    return _Deletes(deletes.spans + then_spans + else_spans)
