"""Handing a job to an idle worker as it is enqueued: only where nobody is passed over."""

import msgspec
import pytest

from coord.client import ops
from coord.model import KeyValue
from coord.requests import LeaseRevoke, PutReply
from coord.testing.local import LocalCluster, in_loop
from workers.model.job import Job, encode_job
from workers.model.places import Places
from workers.steps.enqueue import enqueue
from workers.steps.hand import HANDED_BYTES_MAX, Slot, hand, handed, note_of, slot_key, slot_of
from workers.steps.move import Move

PLACES = Places()
AT = PLACES.queue("q")
JOB = Job("f", {"n": 1})
NOW = 1_000


class World:
    """A queue with one idle worker, "w", that lays out one slot."""

    def __init__(self) -> None:
        self.cluster = LocalCluster()
        self.client = self.cluster.client()

    async def start(self) -> Slot:
        lease = (await self.client.grant(60_000)).lease
        await self.client.put(slot_key(AT, "w", b"0000"), lease=lease)
        (kv,) = await self.under(AT.free)
        return slot_of(AT, kv)

    async def under(self, prefix: bytes) -> tuple[KeyValue, ...]:
        return (await self.client.get(prefix, prefix=True)).kvs

    async def do(self, move: Move | None) -> bool:
        assert move is not None
        reply = await self.client.txn(move.compare, move.ops)
        if reply.succeeded:
            assert isinstance(reply.replies[0], PutReply)
        return reply.succeeded


def enqueuing(job: Job = JOB, priority: int = 4) -> Move:
    return enqueue(PLACES, "q", priority, job, NOW)


@in_loop
async def test_a_job_handed_over_is_one_that_the_worker_has_claimed() -> None:
    world = World()
    slot = await world.start()
    assert slot == Slot("w", b"0000", slot.lease)
    assert await world.do(hand(AT, slot, enqueuing(priority=7)))
    (held,) = await world.under(AT.held_by("w"))
    assert (held.value, held.lease, held.claims) == (encode_job(JOB), slot.lease, 1)
    assert held.key.startswith(AT.held_by("w") + b"2")
    assert await world.under(AT.ready) == ()
    assert await world.under(AT.free) == ()


@in_loop
async def test_the_note_tells_the_claimed_key_exactly_as_it_is() -> None:
    world = World()
    slot = await world.start()
    assert await world.do(hand(AT, slot, enqueuing()))
    (note,) = await world.under(AT.handed_to("w"))
    assert handed(AT, "w", note) == (b"0000", *await world.under(AT.held_by("w")))
    (held,) = await world.under(AT.held_by("w"))
    assert note_of(AT, "w", held.key) == note.key


@in_loop
async def test_with_its_worker_gone_the_job_stands_in_line_where_it_would_have_stood() -> None:
    world = World()
    slot = await world.start()
    assert await world.do(hand(AT, slot, enqueuing(priority=9)))
    (held,) = await world.under(AT.held_by("w"))
    world.cluster.write(LeaseRevoke(slot.lease))
    (ready,) = await world.under(AT.ready)
    assert ready.key == AT.ready + held.key.removeprefix(AT.held_by("w"))
    assert (ready.value, ready.claims) == (encode_job(JOB), 1)
    assert await world.under(AT.handed_to("w")) == ()


@pytest.mark.parametrize("in_the_way", ["ready/5", "shut/pause", "limit"])
@in_loop
async def test_nobody_is_passed_over(in_the_way: str) -> None:
    world = World()
    slot = await world.start()
    await world.client.put(AT.prefix + in_the_way.encode())
    assert not await world.do(hand(AT, slot, enqueuing()))
    assert await world.under(AT.held) == ()


@in_loop
async def test_a_slot_is_used_once_and_only_while_its_owner_lays_it_out() -> None:
    world = World()
    slot = await world.start()
    assert not await world.do(hand(AT, Slot("w", b"0000", slot.lease + 1), enqueuing()))
    assert not await world.do(hand(AT, Slot("v", b"0000", slot.lease), enqueuing()))
    assert await world.do(hand(AT, slot, enqueuing()))
    assert not await world.do(hand(AT, slot, enqueuing()))


@in_loop
async def test_what_else_comes_with_a_job_comes_with_it_all_the_same() -> None:
    world = World()
    slot = await world.start()
    job = msgspec.structs.replace(JOB, unique="h", expires_unix_ms=NOW + 5, group="g")
    move = enqueuing(job)
    assert await world.do(hand(AT, slot, move))
    (held,) = await world.under(AT.held_by("w"))
    item = held.key.rpartition(b"/")[2]
    (open_job,) = await world.under(PLACES.group_open("g"))
    assert open_job.key.endswith(b"q:" + item)
    assert len(await world.under(PLACES.unique("h"))) == 1
    assert len(await world.under(PLACES.due)) == 1
    assert not await world.do(hand(AT, slot, move))


@pytest.mark.parametrize(
    "job",
    [
        msgspec.structs.replace(JOB, due_unix_ms=NOW + 1),
        msgspec.structs.replace(JOB, limits=("disk",)),
        Job("f", {"n": "x" * HANDED_BYTES_MAX}),
    ],
)
def test_what_has_to_wait_or_is_large_is_not_handed_over(job: Job) -> None:
    assert hand(AT, Slot("w", b"0000", 1), enqueuing(job)) is None


def test_other_moves_keep_their_conditions() -> None:
    move = enqueuing()
    found = hand(AT, Slot("w", b"0000", 1), move)
    assert found is not None
    assert found.compare[: len(move.compare)] == move.compare
    assert ops.missing(AT.shut, prefix=True) in found.compare
