"""The builds as their keys show them: one look at a mirror of everything below the root. Pure."""

from collections import Counter
from collections.abc import Mapping
from typing import TypeVar

import msgspec
from attrs import frozen

from coord.model import KeyValue
from recipes.progress import Progress
from workers.demo.index import keys
from workers.demo.index.pipeline import STAGES
from workers.model.ending import Ending, decode_ending
from workers.model.places import Places
from workers.model.states import State
from workers.pipelines.places import PipelinePlaces, group_of
from workers.pipelines.run import RUN_ENDED, Run, RunState, StageState, decode_run

T = TypeVar("T")
_PLACES = Places(keys.ROOT)
_PIPELINES = PipelinePlaces(_PLACES)


@frozen
class Build:
    """One build.

    Attributes:
        id: its pipeline's.
        run: how far that is.
        endings: how its jobs ended, by stage.
    """

    id: str
    run: Run
    endings: dict[str, tuple[Ending, ...]]

    @property
    def batches(self) -> int:
        """How many there are; 0 until all are known."""
        parse = self.run.stages["parse"]
        known = parse.state not in (StageState.WAITING, StageState.OPEN)
        return parse.released if known else 0

    @property
    def parsed(self) -> int:
        """How many batches are done."""
        return len(self.endings["parse"])

    @property
    def jobs(self) -> tuple[Ending, ...]:
        """How all its jobs ended that have."""
        return tuple(ending for stage in STAGES for ending in self.endings[stage])

    @property
    def trouble(self) -> str:
        """Why it will not be complete; empty while it may."""
        failed = self.run.state in RUN_ENDED and self.run.state is not RunState.DONE
        return f"build {self.id} {self.run.state.value}: {self.run.cause}" if failed else ""


@frozen
class View:
    """What a manager sees.

    Attributes:
        builds: every build, the oldest first.
        builder: who is elected; empty for nobody.
        members: workers that are alive, by name.
        held: how many jobs each worker holds.
        dead: jobs that were given up.
        progress: reports by job.
        published: the index that stands, once there is one.
        publications: how often that key was written; once for each build, or there is a fault.
        received: what each worker said about its copy.
    """

    builds: tuple[Build, ...]
    builder: str
    members: dict[str, keys.Member]
    held: Counter[str]
    dead: tuple[str, ...]
    progress: dict[str, Progress]
    published: keys.Published | None
    publications: int
    received: dict[str, keys.Received]

    @property
    def jobs(self) -> tuple[Ending, ...]:
        """How all jobs of all builds ended that have."""
        return tuple(ending for build in self.builds for ending in build.jobs)

    @property
    def retries(self) -> int:
        """Attempts beyond the first, over all jobs that have ended."""
        return sum(max(ending.attempt - 1, 0) for ending in self.jobs)

    @property
    def trouble(self) -> str:
        """Why the builds will not be complete; empty while they may."""
        if self.dead:
            return f"given up: {', '.join(self.dead)}"
        return next((build.trouble for build in self.builds if build.trouble), "")

    @property
    def lost(self) -> int:
        """Jobs that did not end well."""
        return sum(ending.state is not State.DONE for ending in self.jobs)

    @property
    def stale(self) -> int:
        """Outcomes that were refused because their claim had ended, as workers counted them."""
        return sum(received.stale for received in self.received.values())


def view_of(found: Mapping[bytes, KeyValue]) -> View:
    """Read the builds' keys."""

    def below(prefix: bytes) -> dict[str, KeyValue]:
        return {
            key.removeprefix(prefix).decode(): kv
            for key, kv in sorted(found.items())
            if key.startswith(prefix)
        }

    published = found.get(keys.PUBLISHED)
    line = sorted(below(keys.OFFICE).values(), key=lambda kv: kv.create_revision)
    held = (
        name.partition("/")[0].removesuffix(".builder")
        for queue in (keys.QUEUE, keys.BUILD_QUEUE)
        for name in below(_PLACES.queue(queue).held)
    )
    runs = {
        name: run
        for prefix in (_PIPELINES.ended, _PIPELINES.live)
        for name, kv in below(prefix).items()
        if "/" not in name and (run := decode_run(kv.value)) is not None
    }

    def endings(build: str, stage: str) -> tuple[Ending, ...]:
        kvs = below(_PLACES.group_ended(group_of(build, stage))).values()
        return tuple(ending for kv in kvs if (ending := decode_ending(kv.value)) is not None)

    return View(
        builds=tuple(
            Build(name, runs[name], {stage: endings(name, stage) for stage in STAGES})
            for name in sorted(runs)
        ),
        builder=line[0].value.decode() if line else "",
        members={name: _read(kv, keys.Member) for name, kv in below(keys.MEMBERS).items()},
        held=Counter(held),
        dead=tuple(
            f"{queue}:{item}"
            for queue in (keys.QUEUE, keys.BUILD_QUEUE)
            for item in below(_PLACES.queue(queue).dead)
        ),
        progress={name: _read(kv, Progress) for name, kv in below(_PLACES.progress).items()},
        published=_read(published, keys.Published) if published else None,
        publications=published.version if published else 0,
        received={name: _read(kv, keys.Received) for name, kv in below(keys.RECEIVED).items()},
    )


def _read(kv: KeyValue, kind: type[T]) -> T:
    return msgspec.json.decode(kv.value, type=kind)
