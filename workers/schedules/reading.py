"""Reading schedules with all that a decision about them needs, at one revision."""

from collections.abc import Mapping

import structlog
from attrs import evolve

from coord.client import ops
from coord.errors import CoordError
from coord.model import KeyValue
from coord.requests import RangeReply, TxnOp
from recipes.port import KeyStore, only
from workers.model.ids import JobId
from workers.schedules.checks import decode_schedule
from workers.schedules.codec import decode
from workers.schedules.firing import Known
from workers.schedules.places import SchedulePlaces
from workers.schedules.values import Backfill, State

SCHEDULES_MAX = 200  # in one read; each takes five operations, a transaction at most 1024

log = structlog.get_logger("schedules")


async def read_schedules(
    client: KeyStore, places: SchedulePlaces, queues: Mapping[str, str]
) -> dict[str, Known]:
    """Read schedules.

    Args:
        client: to read with.
        places: of schedules.
        queues: the queue each is thought to fill, by name; at most `SCHEDULES_MAX`.

    Returns:
        Those that are there, can be read, and fill that queue, by name.
    """
    assert len(queues) <= SCHEDULES_MAX
    reads: list[TxnOp] = []
    for name, queue in queues.items():
        reads += [
            ops.get(places.spec(name)),
            ops.get(places.state(name)),
            ops.get(places.standing(name), prefix=True, limit=1),
            ops.get(places.backfill(name)),
            ops.get(places.space.queue(queue).limit, count_only=True),
        ]
    answers = iter((await client.txn(success=reads)).replies)
    found: dict[str, Known] = {}
    for name, queue in queues.items():
        spec, state, standing, backfill, limit = (_read(next(answers)) for _ in range(5))
        known = _known(places, name, only(spec), only(state), only(standing), only(backfill))
        if known is not None and known.schedule.queue == queue:
            found[name] = evolve(known, queue_limited=limit.count > 0)
    return found


async def read_schedule(client: KeyStore, places: SchedulePlaces, name: str) -> Known | None:
    """Read one schedule; None where there is none of this name."""
    while True:
        spec = only(await client.get(places.spec(name)))
        schedule = None if spec is None else decode_schedule(spec.value)
        if schedule is None or schedule.name != name:
            return None
        found = await read_schedules(client, places, {name: schedule.queue})
        if name in found:
            return found[name]
        # It went, or fills another queue by now.


def standing_job(places: SchedulePlaces, name: str, kv: KeyValue) -> JobId | None:
    """Return the job that a key under `places.standing(name)` names."""
    try:
        return JobId.parse(kv.key.removeprefix(places.standing(name)).decode())
    except (CoordError, UnicodeDecodeError):
        return None


def _known(
    places: SchedulePlaces,
    name: str,
    spec: KeyValue | None,
    state: KeyValue | None,
    standing: KeyValue | None,
    backfill: KeyValue | None,
) -> Known | None:
    if spec is None:
        return None
    schedule = decode_schedule(spec.value)
    if schedule is None or schedule.name != name:
        log.error("what stands here is no schedule", name=name)
        return None
    return Known(
        schedule,
        spec.mod_revision,
        None if state is None else decode(state.value, State),
        None if state is None else state.value,
        None if standing is None else standing_job(places, name, standing),
        None if backfill is None else decode(backfill.value, Backfill),
        0 if backfill is None else backfill.mod_revision,
    )


def _read(answer: object) -> RangeReply:
    assert isinstance(answer, RangeReply), answer
    return answer
