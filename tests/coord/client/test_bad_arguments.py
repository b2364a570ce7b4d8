"""Arguments that no request can hold: refused at once, and no request beside them is lost."""

import asyncio
import math
from collections.abc import Callable
from typing import Any

import pytest

from coord import aio
from coord.client import ops
from coord.client.client import Client
from coord.errors import Misuse
from coord.requests import Put
from coord.testing.instant_node import InstantNode
from tests.coord.client.with_node import run

_TOO_LARGE = 2**64

BAD: dict[str, Callable[[Client], Any]] = {
    "compact": lambda client: client.compact(_TOO_LARGE),
    "revoke": lambda client: client.revoke(_TOO_LARGE),
    "keep_alive": lambda client: client.keep_alive(-1),
    "time_to_live": lambda client: client.time_to_live(_TOO_LARGE),
    "a text for a lease": lambda client: client.put("k", lease="7"),  # type: ignore[arg-type]
    "a fraction for a limit": lambda client: client.get("k", prefix=True, limit=1.5),  # type: ignore[arg-type]
    "resumed session": lambda client: client.session(lease=_TOO_LARGE, resume=True).__aenter__(),
    "snapshot_part": lambda client: client.snapshot_part(_TOO_LARGE),
    "transfer_leader": lambda client: client.transfer_leader(_TOO_LARGE),
    "half a character": lambda client: client.put("\ud800"),
    "no time": lambda client: client.put("k", timeout_ms=0),
    "time that is none": lambda client: client.put("k", timeout_ms=math.nan),
    "time as text": lambda client: client.get("k", timeout_ms="5"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("call", BAD.values(), ids=BAD)
def test_a_bad_argument_is_refused_and_what_is_asked_beside_it_is_done(
    call: Callable[[Client], Any],
) -> None:
    async def script(client: Client, _: InstantNode) -> None:
        async def misused() -> None:
            with pytest.raises(Misuse):
                await call(client)

        await client.put("before")
        async with asyncio.timeout(5):
            await asyncio.gather(client.put("k1"), misused(), client.put("k2"), client.get("k1"))
            assert (await client.get("k", prefix=True)).count == 2

    run(script)


@pytest.mark.parametrize("number", [_TOO_LARGE, -1, 1.5, "7"])
def test_a_number_that_is_none_is_no_condition_and_no_start_of_a_watch(number: Any) -> None:
    if number != -1:  # which no version is: a condition that never holds
        with pytest.raises(Misuse):
            ops.version("k", "==", number)

    async def script(client: Client, _: InstantNode) -> None:
        with pytest.raises(Misuse):
            client.watch("k", start_revision=number)

    run(script)


def test_an_operation_built_by_hand_that_cannot_be_sent_is_refused() -> None:
    with pytest.raises(Misuse, match="cannot be sent"):
        ops.size_bytes(ops.txn(success=[Put(b"k", b"", _TOO_LARGE)]))


@pytest.mark.parametrize("endpoints", [b"h:1", [1], [b"h:1"]])
def test_addresses_that_are_no_text_are_refused(endpoints: Any) -> None:
    with pytest.raises(Misuse, match="addresses are str"):
        aio.connect(endpoints)


@pytest.mark.parametrize("timeout_ms", [0, -1, math.nan, "5", None])
def test_a_client_waits_for_a_time(timeout_ms: Any) -> None:
    with pytest.raises(Misuse, match="timeout_ms"):
        aio.connect("h:1", timeout_ms=timeout_ms)
