"""How a worker works."""

import re

from attrs import Factory, field, frozen
from attrs.validators import and_, ge, le

from workers.model.names import check_name
from workers.model.places import Places
from workers.running.crew_settings import CrewSettings

SLOTS_MAX = 1024
QUEUES_MAX = 64
_TAG = re.compile(r"[^\s,]+")


def _names(instance: object, attribute: object, value: tuple[str, ...]) -> None:
    for queue in value:
        check_name("queue", queue)
    if not 1 <= len(set(value)) == len(value) <= QUEUES_MAX:
        raise ValueError(f"1 to {QUEUES_MAX} queues, each named once")


def _name(instance: object, attribute: object, value: str) -> None:
    check_name("worker", value)


@frozen
class WorkerSettings:
    """How a worker works.

    Attributes:
        name: unique among living workers.
        crew: how its child processes are used.
        queues: whose jobs it runs.
        fair: claim from all queues alike; if not, from the first one that has any.
        ttl_ms: how long after its last sign of life its jobs go to others; at least 100.
        grace_s: how long running jobs may go on when it is told to stop.
        tags: for whoever looks.
        places: where everything stands in the store.
        steward: whether it stands for the office that does the chores.
        hand_back_s: how long it tries to hand back; then its lease does.
    """

    name: str = field(validator=_name)
    crew: CrewSettings
    queues: tuple[str, ...] = field(default=("default",), validator=_names)
    fair: bool = False
    ttl_ms: int = field(default=10_000, validator=ge(100))
    grace_s: float = field(default=30.0, validator=ge(0))
    tags: tuple[str, ...] = ()
    places: Places = Factory(Places)
    steward: bool = True
    hand_back_s: float = field(default=2.0, validator=and_(ge(0), le(60)))
