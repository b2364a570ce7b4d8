"""The ordered index against a sorted list, and its bounds."""

from random import Random

import pytest

from coord.store import order
from coord.store.order import OrderedKeys


@pytest.mark.parametrize("seed", range(6))
def test_every_question_is_answered_as_by_a_sorted_list(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order, "CHUNK_KEYS", 4)
    monkeypatch.setattr(order, "FOLD_KEYS", random_fold := 3 + seed * 20)
    random = Random(seed)
    keys: OrderedKeys[int] = OrderedKeys()
    wanted: set[int] = set()
    for _ in range(2000):
        key = random.randrange(400)
        if key in wanted:
            keys.remove(key)
            wanted.remove(key)
        elif random.randrange(4):
            keys.add(key)
            wanted.add(key)
        assert len(keys.fresh) <= random_fold
        if random.randrange(6) == 0:
            ask(keys, sorted(wanted), random)


def ask(keys: OrderedKeys[int], wanted: list[int], random: Random) -> None:
    low, high = random.randrange(-5, 405), random.choice([None, random.randrange(-5, 405)])
    limit = random.choice([None, 1, 3, 50])
    span = [key for key in wanted if key >= low and (high is None or key < high)]
    assert keys.slice(low, high, limit) == span[:limit]
    assert keys.count(low, high) == len(span)
    last = limit or 7
    assert keys.slice_last(low, high, last) == span[::-1][:last]


def test_keys_in_ascending_order_fill_chunks_without_splitting_the_earlier_ones() -> None:
    keys: OrderedKeys[int] = OrderedKeys()
    for key in range(10_000):
        keys.add(key)
    assert keys.count(0, None) == 10_000
    assert len(keys._chunks) <= 10_000 // order.CHUNK_KEYS + 1


def test_chunks_stay_bounded_and_are_joined_as_keys_go() -> None:
    random = Random(1)
    names = list(range(20_000))
    random.shuffle(names)
    keys: OrderedKeys[int] = OrderedKeys()
    for key in names:
        keys.add(key)
    keys.fold()
    assert max(map(len, keys._chunks)) <= 2 * order.CHUNK_KEYS
    for key in names[:19_900]:
        keys.remove(key)
    assert keys.slice(0, None) == sorted(names[19_900:])
    assert len(keys._chunks) <= 10


def test_a_key_removed_before_it_was_folded_leaves_no_trace() -> None:
    keys: OrderedKeys[bytes] = OrderedKeys()
    keys.add(b"a")
    keys.remove(b"a")
    assert keys.slice(b"", None) == []
    assert keys.count(b"", None) == 0


def test_building_from_a_sorted_list_is_the_same_as_adding() -> None:
    keys: OrderedKeys[int] = OrderedKeys.of_sorted(list(range(0, 3000, 2)))
    keys.add(7)
    assert keys.slice(4, 10) == [4, 6, 7, 8]
    nothing: OrderedKeys[int] = OrderedKeys.of_sorted([])
    assert nothing.slice(0, None) == []
