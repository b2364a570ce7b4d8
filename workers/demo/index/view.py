"""The build as its keys show it: one look at a mirror of everything below its root. Pure."""

from collections import Counter
from collections.abc import Mapping
from typing import TypeVar

import msgspec
from attrs import frozen

from coord.model import KeyValue
from recipes.progress import Progress
from recipes.queue import Done
from workers.demo.index import keys

T = TypeVar("T")


@frozen
class View:
    """What a manager sees.

    Attributes:
        plan: what is to be indexed, once a builder has laid it out.
        builder: who is elected; empty for nobody.
        members: workers that are alive, by name.
        ready: batches that wait.
        held: how many batches each worker holds.
        done: completed batches' records.
        dead: batches that were given up.
        progress: reports by task.
        published: the index, once there is one.
        publications: how often the published key was written; more than once would be a fault.
        received: what each worker said about its copy.
    """

    plan: keys.Plan | None
    builder: str
    members: dict[str, keys.Member]
    ready: int
    held: Counter[str]
    done: tuple[Done, ...]
    dead: int
    progress: dict[str, Progress]
    published: keys.Published | None
    publications: int
    received: dict[str, keys.Received]

    @property
    def retries(self) -> int:
        """Attempts beyond the first, over all completed batches."""
        return sum(record.attempt - 1 for record in self.done)

    @property
    def stale(self) -> int:
        """Completions that were refused because their claim had ended, as workers counted them."""
        return sum(received.stale for received in self.received.values())


def view_of(found: Mapping[bytes, KeyValue]) -> View:
    """Read the build's keys."""

    def below(prefix: bytes) -> dict[str, KeyValue]:
        return {
            key.removeprefix(prefix).decode(): kv
            for key, kv in sorted(found.items())
            if key.startswith(prefix)
        }

    plan, published = found.get(keys.PLAN), found.get(keys.PUBLISHED)
    line = sorted(below(keys.OFFICE).values(), key=lambda kv: kv.create_revision)
    holders = (name.partition("/")[0] for name in below(keys.QUEUE + b"held/"))
    return View(
        plan=_read(plan, keys.Plan) if plan else None,
        builder=line[0].value.decode() if line else "",
        members={name: _read(kv, keys.Member) for name, kv in below(keys.MEMBERS).items()},
        ready=len(below(keys.QUEUE + b"ready/")),
        held=Counter(holders),
        done=tuple(_read(kv, Done) for kv in below(keys.QUEUE + b"done/").values()),
        dead=len(below(keys.QUEUE + b"dead/")),
        progress={name: _read(kv, Progress) for name, kv in below(keys.PROGRESS).items()},
        published=_read(published, keys.Published) if published else None,
        publications=published.version if published else 0,
        received={name: _read(kv, keys.Received) for name, kv in below(keys.RECEIVED).items()},
    )


def _read(kv: KeyValue, kind: type[T]) -> T:
    return msgspec.json.decode(kv.value, type=kind)
