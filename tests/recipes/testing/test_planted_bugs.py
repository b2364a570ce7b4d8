"""Does the campaign find what it is for? Mistakes are planted in recipes, and it must object.

The number of seeds is several times what the first finding took.
"""

from typing import Any

import pytest

import coord.client.leases
import recipes.build
import recipes.claims
import recipes.election
import recipes.gate
import recipes.line
import recipes.lock
import recipes.mirror
import recipes.partitioner
import recipes.rwlock
import recipes.semaphore
from coord.client import ops
from coord.errors import MaybeDone
from coord.requests import Compare
from recipes.line import Place
from recipes.port import KeyStore
from recipes.queue import Claimed, Queue
from recipes.testing.campaign import parts_named, run_seed


def _first_failure(name: str, seeds: int) -> str:
    for seed in range(seeds):
        failure = run_seed(seed, parts_named([name])).failure
        if failure:
            return failure
    return ""


def _nothing_to_compare(_: object) -> Compare:
    return ops.missing("nobody ever writes this")


def _no_judgement(*_: object) -> dict[str, int]:
    return {}


async def _at_once(*_: object) -> None:
    """Stand in for a wait."""


def test_a_lock_that_does_not_wait_for_its_turn_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recipes.lock, "wait_in_line", _at_once)
    assert "lock: Tenure" in _first_failure("lock", 10)


def test_a_writer_beside_readers_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipes.rwlock, "wait_in_line", _at_once)
    assert "rw: Tenure" in _first_failure("rw", 10)


def test_one_permit_too_many_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Generous(recipes.semaphore.Semaphore):
        async def _take(self, *args: Any, **options: Any) -> Any:
            await self._agree()
            self.limit = 3
            return await super()._take(*args, **options)

    monkeypatch.setattr("recipes.testing.holders.Semaphore", Generous)
    assert "sem: " in _first_failure("sem", 10)


@pytest.mark.slow
def test_a_wait_that_may_miss_what_it_waits_for_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def from_now(client: KeyStore, key: bytes, *_: object) -> None:
        async with client.watch(key) as watch:
            async for _batch in watch:
                return

    monkeypatch.setattr(recipes.line, "until_gone", from_now)
    assert "liveness" in _first_failure("lock", 20)


def test_writes_without_the_guard_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Place, "guard", _nothing_to_compare)
    assert "lock: " in _first_failure("lock", 20)


def test_a_session_believed_in_too_long_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    renewed = coord.client.leases.LeaseKeeper.renewed

    def believe(self: Any, kept: Any, sent_ms: float, ttl_ms: float) -> None:
        renewed(self, kept, sent_ms + 500.0, ttl_ms)

    monkeypatch.setattr(coord.client.leases.LeaseKeeper, "renewed", believe)
    assert "session" in _first_failure("lock", 30)


def test_a_completion_by_a_former_holder_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Claimed, "guard", _nothing_to_compare)
    assert "queue: " in _first_failure("queue", 20)


@pytest.mark.slow
def test_a_put_repeated_in_doubt_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    put = Queue.put

    async def insist(self: Queue, *args: Any, **options: Any) -> str:
        while True:
            try:
                return await put(self, *args, **options)
            except MaybeDone:
                continue

    monkeypatch.setattr(Queue, "put", insist)
    assert "queue: " in _first_failure("queue", 30)


@pytest.mark.slow
def test_claims_nobody_knows_of_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(_: object) -> list[object]:
        return []

    monkeypatch.setattr(recipes.claims.Claimer, "_unnoticed", nothing)
    assert "liveness" in _first_failure("queue", 60)


@pytest.mark.slow
def test_taking_from_a_queue_that_is_shut_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipes.gate.SizeGate, "guard", _nothing_to_compare)
    failure = _first_failure("gated queue", 10)
    assert "gated queue: taken" in failure or "liveness" in failure


def test_a_gate_that_opens_too_soon_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Hasty(recipes.gate.SizeGate):
        def __init__(self, client: KeyStore, name: bytes, items: bytes, target: int) -> None:
            super().__init__(client, name, items, target - 2)

    monkeypatch.setattr("recipes.testing.gating.SizeGate", Hasty)
    assert "gate: " in _first_failure("size gate", 10)


def test_a_result_published_twice_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def publish(self: recipes.build.Build, _: object, value: str) -> recipes.build.Built:
        reply = await self._client.put(self.key, value)
        return recipes.build.Built(ops.text_bytes(value), reply.revision)

    monkeypatch.setattr(recipes.build.Build, "_publish", publish)
    monkeypatch.setattr(recipes.election, "wait_in_line", _at_once)
    monkeypatch.setattr("recipes.testing.building.check_holders", _no_judgement)
    assert "build: published more than once" in _first_failure("build", 10)


def test_two_leaders_at_once_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipes.election, "wait_in_line", _at_once)
    assert "its turn" in _first_failure("build", 10)
    assert "its turn" in _first_failure("office", 10)


def test_work_begun_before_it_is_free_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def give_up(self: recipes.partitioner.Partitioner, items: list[str]) -> None:
        shares = [self._held[item][0] for item in items]
        for share in shares:
            await self._let_go(share.key, share.token)
        await self._stop(items)

    monkeypatch.setattr(recipes.partitioner.Partitioner, "_give_up", give_up)
    assert "parts: Tenure" in _first_failure("division", 20)


def test_a_copy_that_skips_changes_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    apply = recipes.mirror.Mirror._apply

    def forget(self: recipes.mirror.Mirror, events: tuple[Any, ...]) -> None:
        apply(self, events[:1])

    monkeypatch.setattr(recipes.mirror.Mirror, "_apply", forget)
    failure = _first_failure("group", 10)
    assert "group: Listing" in failure or "liveness" in failure
