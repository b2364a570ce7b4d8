"""Many steps at once, and many reads: parted, whole, refused together."""

from collections.abc import Iterable

import pytest

from coord.client import ops
from coord.errors import ErrorCode, error_from
from coord.requests import Compare, TxnOp, TxnReply
from coord.testing.local import LocalClient, LocalCluster, in_loop
from recipes.errors import NotLeader
from workers.model.places import Places
from workers.steps.move import Move
from workers.steward import moving
from workers.steward.moving import make_moves
from workers.steward.reading import KEYS_MAX, read_keys
from workers.testing.office import new_term


class _Counting(LocalClient):
    """Counts transactions; refuses to answer more than `most` operations in one."""

    def __init__(self, cluster: LocalCluster, most: int = 1_000) -> None:
        super().__init__(cluster)
        self.sizes: list[int] = []
        self._most = most

    async def txn(
        self,
        compare: Iterable[Compare] = (),
        success: Iterable[TxnOp] = (),
        failure: Iterable[TxnOp] = (),
    ) -> TxnReply:
        steps = tuple(success)
        self.sizes.append(len(steps))
        if len(steps) > self._most:
            raise error_from(ErrorCode.REPLY_TOO_LARGE)
        return await super().txn(compare, steps, failure)


def _move(number: int, value: bytes = b"") -> Move:
    key = f"made/{number:04}"
    return Move((ops.missing(key),), (ops.put(key, value),))


@in_loop
async def test_each_move_is_taken_or_not_by_itself_and_told_in_order() -> None:
    client = _Counting(LocalCluster())
    term = await new_term(client, Places())
    await client.put("made/0003")
    taken = await make_moves(term, [_move(number) for number in range(100)])
    assert [number for number, each in enumerate(taken) if not each] == [3]
    assert (await client.get("made/", prefix=True)).count == 100


@in_loop
async def test_moves_are_parted_by_number_and_by_size() -> None:
    client = _Counting(LocalCluster())
    term = await new_term(client, Places())
    client.sizes.clear()
    await make_moves(term, [_move(number) for number in range(moving.MOVES_MAX * 2 + 1)])
    assert client.sizes == [moving.MOVES_MAX, moving.MOVES_MAX, 1]
    client.sizes.clear()
    large = b"x" * (moving.MOVES_BYTES // 2 + 1)
    await make_moves(term, [_move(1_000 + number, large) for number in range(5)])
    assert client.sizes == [2, 2, 1]


@in_loop
async def test_what_goes_beside_is_written_once_also_where_nothing_moves() -> None:
    client = _Counting(LocalCluster())
    term = await new_term(client, Places())
    assert await make_moves(term, [], ops.put("beside")) == []
    await make_moves(term, [_move(number) for number in range(100)], ops.put("beside"))
    assert (await client.get("beside")).kvs[0].version == 2
    client.sizes.clear()
    assert await make_moves(term, []) == []
    assert client.sizes == []


@in_loop
async def test_out_of_office_nothing_is_moved() -> None:
    client = LocalCluster().client()
    term = await new_term(client, Places())
    await new_term(client, Places())
    with pytest.raises(NotLeader):
        await make_moves(term, [_move(1)], ops.put("beside"))
    assert (await client.get("made/", prefix=True)).count == 0
    assert (await client.get("beside")).count == 0


@in_loop
async def test_keys_are_read_in_order_and_in_halves_where_they_are_too_large_together() -> None:
    client = _Counting(LocalCluster(), most=60)
    for number in range(0, 200, 2):
        await client.put(f"k/{number:03}", str(number))
    found = await read_keys(client, [f"k/{number:03}".encode() for number in range(200)])
    assert [kv.value if kv else None for kv in found[:4]] == [b"0", None, b"2", None]
    assert len(found) == 200
    assert client.sizes[0] == 200 < KEYS_MAX


@in_loop
async def test_one_key_too_large_by_itself_is_an_error() -> None:
    client = _Counting(LocalCluster(), most=0)
    with pytest.raises(Exception, match="too large"):
        await read_keys(client, [b"a", b"b"])
