"""A scan shows a table as it stood when the scan began, whatever happens meanwhile."""

from random import Random

import pytest

from coord.store.order import OrderedKeys
from coord.store.scan import FrozenScan, next_bytes, next_int


class Table:
    """A table that tells its scans what it changes."""

    def __init__(self, rows: dict[int, str]) -> None:
        self.rows = dict(rows)
        self.order: OrderedKeys[int] = OrderedKeys.of_sorted(sorted(rows))
        self.scans: list[FrozenScan[int, str, tuple[int, str]]] = []

    def scan(self) -> FrozenScan[int, str, tuple[int, str]]:
        made: FrozenScan[int, str, tuple[int, str]] = FrozenScan(
            self.order, self.rows, lambda key, value: (key, value), 0, next_int
        )
        self.scans.append(made)
        return made

    def set(self, key: int, value: str | None) -> None:
        for scan in self.scans:
            scan.before_change(key, self.rows.get(key))
        if value is None:
            if self.rows.pop(key, None) is not None:
                self.order.remove(key)
            return
        if key not in self.rows:
            self.order.add(key)
        self.rows[key] = value


def rest(scan: FrozenScan[int, str, tuple[int, str]], limit: int) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    while not scan.done:
        found += scan.take(limit)
    return found


@pytest.mark.parametrize("seed", range(20))
def test_any_changes_between_slices_stay_unseen(seed: int) -> None:
    random = Random(seed)
    table = Table({key: "old" for key in range(0, 60, 2)})
    wanted = sorted(table.rows.items())
    scan = table.scan()
    found: list[tuple[int, str]] = []
    while not scan.done:
        piece = scan.take(3)
        assert len(piece) <= 6
        found += piece
        for _ in range(random.randrange(12)):
            table.set(random.randrange(64), random.choice(["new", "newer", None]))
    assert found == wanted


def test_many_rows_removed_ahead_come_in_slices_and_none_is_lost() -> None:
    table = Table({key: "old" for key in range(100)})
    scan = table.scan()
    for key in range(99):
        table.set(key, None)
    assert [len(scan.take(5)) for _ in range(3)] == [5, 5, 5]
    assert [key for key, _ in rest(scan, 5)] == list(range(15, 100))


def test_a_row_changed_twice_shows_its_first_value() -> None:
    table = Table({1: "old"})
    scan = table.scan()
    table.set(1, None)
    table.set(1, "new")
    table.set(2, "new")
    assert rest(scan, 9) == [(1, "old")]


def test_scans_begun_at_different_times_show_different_moments() -> None:
    table = Table({1: "a", 2: "a"})
    early = table.scan()
    table.set(2, "b")
    late = table.scan()
    table.set(2, "c")
    assert rest(early, 1) == [(1, "a"), (2, "a")]
    assert rest(late, 1) == [(1, "a"), (2, "b")]


def test_the_next_key_is_the_least_greater_one() -> None:
    assert next_bytes(b"a") == b"a\0"
    assert next_int(7) == 8
