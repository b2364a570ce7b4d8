"""The requests a load is made of; each operation is one awaited request of one client.

An operation is called with its number within the load and its client's place in the process.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from coord import aio, ops
from coord.cli.bench_plan import STAMP_DIGITS, WATCHED, LoadPlan, key_of
from coord.errors import Refused
from coord.requests import TxnOp

Operation = Callable[[int, int], Awaitable[Any]]

LEASE_TTL_MS = 600_000  # far longer than a load runs
_FILL_OPS = 500  # puts in one transaction when keys are made ready
_READS_PER_WRITE = 4  # of a mixed load

NEEDS_KEYS = frozenset({"get", "sget", "mixed"})


async def fill(client: aio.Client, plan: LoadPlan) -> None:
    """Write the keys that will be read."""
    value = b"x" * plan.value_bytes
    for first in range(0, plan.keys, _FILL_OPS):
        numbers = range(first, min(first + _FILL_OPS, plan.keys))
        puts: list[TxnOp] = [ops.put(key_of(number, plan.key_bytes), value) for number in numbers]
        await client.txn(success=puts)


async def prepare(client: aio.Client, plan: LoadPlan, clock_ns: Callable[[], int]) -> Operation:
    """Make ready what the operation of `plan` needs, and return it."""
    if plan.op == "keepalive":
        return await _keepalive(client, plan)
    if plan.op == "watched":
        return _watched(client, plan, clock_ns)
    return {
        "put": _put,
        "get": _get,
        "sget": _sget,
        "txn": _txn,
        "mixed": _mixed,
    }[plan.op](client, plan)


def _put(client: aio.Client, plan: LoadPlan) -> Operation:
    value = b"x" * plan.value_bytes
    return lambda number, _: client.put(key_of(number, plan.key_bytes), value)


def _get(client: aio.Client, plan: LoadPlan) -> Operation:
    async def get(number: int, _: int) -> None:
        found = await client.get(key_of(number % plan.keys, plan.key_bytes))
        if len(found.kvs) != 1:
            raise Refused("a key that was written is not there")

    return get


def _sget(client: aio.Client, plan: LoadPlan) -> Operation:
    async def sget(number: int, _: int) -> None:
        key = key_of(number % plan.keys, plan.key_bytes)
        found = await client.get(key, serializable=True)
        if len(found.kvs) != 1:
            raise Refused("a key that was written is not there")

    return sget


def _txn(client: aio.Client, plan: LoadPlan) -> Operation:
    """Put the key if it does not exist, else read it."""
    value = b"x" * plan.value_bytes

    def txn(number: int, _: int) -> Awaitable[Any]:
        key = key_of(number, plan.key_bytes)
        return client.txn([ops.missing(key)], [ops.put(key, value)], [ops.get(key)])

    return txn


def _mixed(client: aio.Client, plan: LoadPlan) -> Operation:
    put, get = _put(client, plan), _get(client, plan)

    def mixed(number: int, place: int) -> Awaitable[Any]:
        chosen = put if number % (_READS_PER_WRITE + 1) == 0 else get
        return chosen(number % plan.keys, place)

    return mixed


async def _keepalive(client: aio.Client, plan: LoadPlan) -> Operation:
    leases = [(await client.grant(LEASE_TTL_MS)).lease for _ in range(plan.clients)]
    return lambda _, place: client.keep_alive(leases[place])


def _watched(client: aio.Client, plan: LoadPlan, clock_ns: Callable[[], int]) -> Operation:
    """Write a watched key whose value says when it was sent."""
    filler = b"x" * max(0, plan.value_bytes - STAMP_DIGITS)

    def put(number: int, _: int) -> Awaitable[Any]:
        stamp = b"%0*d" % (STAMP_DIGITS, clock_ns())
        return client.put(b"%s%08d" % (WATCHED, number), stamp + filler)

    return put
