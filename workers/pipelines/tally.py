"""How many jobs of a stage there are, and how they ended: counted from the keys of its group."""

from collections.abc import Iterable

from attrs import define, field

from coord.model import Event, EventKind, KeyValue
from workers.model.ending import decode_ending
from workers.model.states import State
from workers.pipelines.places import PipelinePlaces


@define
class Tally:
    """The jobs of one stage; `open` have not ended, `ended` tells how the others did."""

    open: set[str] = field(factory=set)
    ended: dict[str, State] = field(factory=dict)
    failed: set[str] = field(factory=set)
    """Those that did not end well."""

    @property
    def done(self) -> int:
        """How many ended well."""
        return len(self.ended) - len(self.failed)

    @property
    def total(self) -> int:
        """How many there are."""
        return len(self.open) + len(self.ended)


EMPTY = Tally()


class Tallies:
    """The tallies of one pipeline's stages, true at `revision`; 0 until they are read."""

    def __init__(self, places: PipelinePlaces, pipeline: str) -> None:
        self._prefix = places.groups(pipeline)
        self._stages: dict[str, Tally] = {}
        self._early: list[Event] = []
        self.revision = 0

    def of(self, stage: str) -> Tally:
        """Return a stage's tally, to look at."""
        return self._stages.get(stage, EMPTY)

    def read(self, found: Iterable[KeyValue], revision: int) -> None:
        """Take what the store held under the pipeline's groups at a revision."""
        for kv in found:
            self._put(kv)
        self.revision = revision
        early, self._early = self._early, []
        for event in early:
            self.apply(event)

    def apply(self, event: Event) -> None:
        """Take one change, in the order of revisions; those known already are passed over."""
        if not self.revision:
            self._early.append(event)
            return
        at = event.kv.mod_revision
        if at < self.revision:
            return
        self.revision = at
        if event.kind is EventKind.PUT:
            self._put(event.kv)
        else:
            self._delete(event.kv.key)

    def _put(self, kv: KeyValue) -> None:
        stage, kind, job = self._parse(kv.key)
        tally = self._stages.setdefault(stage, Tally())
        if kind == "open":
            tally.open.add(job)
        elif kind == "ended":
            ending = decode_ending(kv.value)
            state = State.DEAD if ending is None else ending.state
            tally.ended[job] = state
            if state is State.DONE:
                tally.failed.discard(job)
            else:
                tally.failed.add(job)

    def _delete(self, key: bytes) -> None:
        stage, kind, job = self._parse(key)
        tally = self._stages.setdefault(stage, Tally())
        if kind == "open":
            tally.open.discard(job)
        elif kind == "ended":
            tally.ended.pop(job, None)
            tally.failed.discard(job)

    def _parse(self, key: bytes) -> tuple[str, str, str]:
        stage, _, rest = key.removeprefix(self._prefix).decode().partition("/")
        kind, _, job = rest.partition("/")
        return stage, kind, job
