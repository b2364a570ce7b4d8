"""Stores that should be equal and are not: found at the index where they part."""

import pytest

from coord.frames import Batch, WriteFrame
from coord.requests import Put, WriteOp
from coord.store.machine import Store
from coord.testing.store_checks import StoreChecks
from coord.testing.violation import Violation


def _apply(store: Store, index: int, *ops: WriteOp) -> None:
    store.apply(index, Batch(index, (WriteFrame(1, 0, 1, ops),)))


def test_equal_stores_pass_and_revisions_are_dated() -> None:
    checks = StoreChecks()
    for number, now_ms in ((1, 5.0), (2, 9.0)):
        store = Store()
        for index in range(1, 30):
            _apply(store, index, Put(b"k", b"%d" % index))
            checks.observe(number, store, now_ms)
        checks.compare(number, store)
    assert checks.revision == 30
    assert checks.seen_ms[30] == 5.0


def test_a_store_of_another_shape_is_found_at_once() -> None:
    checks = StoreChecks()
    one, other = Store(), Store()
    _apply(one, 1, Put(b"k", b"v"))
    _apply(other, 1, Put(b"k", b"v"), Put(b"l", b"v"))
    checks.observe(1, one, 0.0)
    with pytest.raises(Violation, match="store at 1 is"):
        checks.observe(2, other, 0.0)


def test_a_store_of_other_bytes_is_found_when_digests_are_compared() -> None:
    checks = StoreChecks()
    one, other = Store(), Store()
    _apply(one, 1, Put(b"k", b"v"))
    _apply(other, 1, Put(b"k", b"w"))
    checks.compare(1, one)
    with pytest.raises(Violation, match="differs"):
        checks.compare(2, other)
