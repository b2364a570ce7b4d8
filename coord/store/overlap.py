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
    """What is deleted: single keys, and ranges in order, so that a key is looked up quickly."""

    def __init__(self) -> None:
        self._keys: set[bytes] = set()
        self._ranges: list[_Span] = []
        self._lows: list[bytes] = []
        self._highs: list[bytes | None] = []

    def __bool__(self) -> bool:
        return bool(self._keys or self._ranges)

    def add(self, op: DeleteRange) -> None:
        """Add one operation; ranges count once `arrange` is called."""
        if op.range_end:
            self._ranges.append((op.key, high_of(op.range_end)))
        else:
            self._keys.add(op.key)

    def join(self, other: "_Deletes") -> None:
        """Add what another one has."""
        self._keys |= other._keys
        if other._ranges:
            self._ranges += other._ranges
            self.arrange()

    def arrange(self) -> None:
        """Put the ranges in order, those that touch each other made one."""
        if not self._ranges:
            return
        self._lows.clear()
        self._highs.clear()
        for low, high in sorted(self._ranges, key=lambda span: span[0]):
            if self._lows and (self._highs[-1] is None or self._highs[-1] >= low):
                last = self._highs[-1]
                self._highs[-1] = None if last is None or high is None else max(last, high)
            else:
                self._lows.append(low)
                self._highs.append(high)

    def check(self, key: bytes) -> None:
        """Raise if the key is deleted."""
        if key in self._keys:
            raise _Duplicate(key)
        at = bisect_right(self._lows, key) - 1
        if at >= 0:
            high = self._highs[at]
            if high is None or key < high:
                raise _Duplicate(key)


def _check(ops: tuple[TxnOp, ...]) -> tuple[set[bytes], _Deletes]:
    """Check one branch; returns the keys it puts and what it deletes, nested included."""
    deletes = _Deletes()
    if not ops:
        return set(), deletes
    for op in ops:
        if type(op) is DeleteRange:
            deletes.add(op)
    deletes.arrange()
    puts: set[bytes] = set()
    for op in ops:
        if type(op) is Txn:
            _join_nested(op, puts, deletes)
    for op in ops:
        if type(op) is Put and not (op.sequence or op.same_sequence):
            if op.key in puts:
                raise _Duplicate(op.key)
            deletes.check(op.key)
            puts.add(op.key)
    return puts, deletes


def _join_nested(op: Txn, puts: set[bytes], deletes: _Deletes) -> None:
    """Add a nested transaction's puts and deletes to those of the branch it is in."""
    then_puts, then_deletes = _check(op.success)
    else_puts, else_deletes = _check(op.failure)
    for key in sorted(then_puts | else_puts):
        if key in puts:
            raise _Duplicate(key)
        deletes.check(key)
    puts |= then_puts | else_puts
    for nested in (then_deletes, else_deletes):
        if nested:
            deletes.join(nested)
