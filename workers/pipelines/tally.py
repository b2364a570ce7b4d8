"""How many jobs of a stage there are, and how they ended: counted from the keys of its group."""

from collections.abc import Iterable

from attrs import define, field

from coord.model import Event, EventKind, KeyValue
from workers.model.ending import decode_ending
from workers.model.states import State


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
    """The tallies of the groups under a prefix, by what follows it: "STAGE" of "STAGE/open/ID"."""

    def __init__(self, prefix: bytes) -> None:
        self._prefix = prefix
        self._tallies: dict[str, Tally] = {}

    def of(self, name: str) -> Tally:
        """Return a group's tally, to look at."""
        return self._tallies.get(name, EMPTY)

    def take(self, event: Event) -> None:
        """Take one change in."""
        if event.kind is EventKind.PUT:
            self.put(event.kv)
        else:
            self._delete(event.kv.key)

    def put(self, kv: KeyValue) -> None:
        """Take one key in."""
        name, kind, job = self._parse(kv.key)
        tally = self._tallies.setdefault(name, Tally())
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
        name, kind, job = self._parse(key)
        tally = self._tallies.setdefault(name, Tally())
        if kind == "open":
            tally.open.discard(job)
        elif kind == "ended":
            tally.ended.pop(job, None)
            tally.failed.discard(job)

    def _parse(self, key: bytes) -> tuple[str, str, str]:
        name, _, rest = key.removeprefix(self._prefix).decode(errors="replace").partition("/")
        kind, _, job = rest.partition("/")
        return name, kind, job


class FollowedTallies(Tallies):
    """Tallies of one pipeline that are read while they are being watched, so that nothing is lost.

    True at `revision`; 0 until they are read.
    """

    def __init__(self, prefix: bytes) -> None:
        super().__init__(prefix)
        self._early: list[Event] = []
        self.revision = 0

    def read(self, found: Iterable[KeyValue], revision: int) -> None:
        """Take what the store held under the prefix at a revision."""
        for kv in found:
            self.put(kv)
        self.revision = revision
        early, self._early = self._early, []
        for event in early:
            self.take(event)

    def take(self, event: Event) -> None:
        """Take one change in, in the order of revisions; those known already are passed over."""
        if not self.revision:
            self._early.append(event)
        elif event.kv.mod_revision >= self.revision:
            self.revision = event.kv.mod_revision
            super().take(event)
