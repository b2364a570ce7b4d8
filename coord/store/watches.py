"""Which watchers see which events, found by looking keys up rather than by asking each watcher.

Watchers of one spec form a group: they see the same events, which need encoding only once.
Groups of a single key are found by a dict; groups of a prefix by one dict per prefix length;
only other ranges are compared one by one.
"""

from collections.abc import Iterable

import attrs
import msgspec

from coord.model import Event, EventKind
from coord.store.spans import high_of, prefix_end


@attrs.frozen(cache_hash=True)
class WatchSpec:
    """What a watcher wants to see; bounds as in a Range."""

    key: bytes
    range_end: bytes = b""
    prev_kv: bool = False
    no_put: bool = False
    no_delete: bool = False


@attrs.frozen
class Sighting:
    """Events for every watcher of a group, in order, stripped to what the spec asks for."""

    watchers: tuple[int, ...]
    events: tuple[Event, ...]


@attrs.define(eq=False)
class _Group:
    spec: WatchSpec
    number: int  # order of arrival: groups are told in it
    watchers: dict[int, None]

    def sees(self, kind: EventKind) -> bool:
        """Whether the filters let events of a kind through."""
        return not (self.spec.no_put if kind is EventKind.PUT else self.spec.no_delete)


class WatchIndex:
    """All watchers of one place, by an id their owner chose."""

    def __init__(self) -> None:
        self._specs: dict[int, WatchSpec] = {}
        self._groups: dict[WatchSpec, _Group] = {}
        self._exact: dict[bytes, list[_Group]] = {}
        self._prefixes: dict[int, dict[bytes, list[_Group]]] = {}
        self._others: list[_Group] = []
        self._made = 0

    def __len__(self) -> int:
        return len(self._specs)

    def add(self, watcher_id: int, spec: WatchSpec) -> None:
        """Begin to match events for a watcher.

        Args:
            watcher_id: not in use now.
            spec: with a range that is not empty (see `is_empty_span`).
        """
        assert watcher_id not in self._specs, "a watcher is added once"
        self._specs[watcher_id] = spec
        group = self._groups.get(spec)
        if group is None:
            self._made += 1
            group = self._groups[spec] = _Group(spec, self._made, {})
            self._shelf(spec).append(group)
        group.watchers[watcher_id] = None

    def remove(self, watcher_id: int) -> None:
        """Stop matching for a watcher; one that is not there is no error."""
        spec = self._specs.pop(watcher_id, None)
        if spec is None:
            return
        group = self._groups[spec]
        del group.watchers[watcher_id]
        if not group.watchers:
            del self._groups[spec]
            self._unshelve(spec, group)

    def _shelf(self, spec: WatchSpec) -> list[_Group]:
        """Return the list a spec's group belongs in, made if need be."""
        if not spec.range_end:
            return self._exact.setdefault(spec.key, [])
        if spec.range_end == prefix_end(spec.key):
            return self._prefixes.setdefault(len(spec.key), {}).setdefault(spec.key, [])
        return self._others

    def _unshelve(self, spec: WatchSpec, group: _Group) -> None:
        shelf = self._shelf(spec)
        shelf.remove(group)
        if shelf or shelf is self._others:
            return
        if not spec.range_end:
            del self._exact[spec.key]
            return
        prefixes = self._prefixes[len(spec.key)]
        del prefixes[spec.key]
        if not prefixes:
            del self._prefixes[len(spec.key)]

    def match(self, events: Iterable[Event]) -> list[Sighting]:
        """Return who sees what of some events.

        Args:
            events: of one revision or several, in order, with `prev_kv` filled.

        Returns:
            One sighting per group that sees any, the oldest group first.
        """
        if not self._specs:
            return []
        seen: dict[int, tuple[_Group, list[Event]]] = {}
        for event in events:
            for group in self._groups_of(event.kv.key):
                if group.sees(event.kind):
                    seen.setdefault(group.number, (group, []))[1].append(event)
        return [_sighting(*seen[number]) for number in sorted(seen)]

    def _groups_of(self, key: bytes) -> list[_Group]:
        found = self._exact.get(key, _NONE)
        for length, prefixes in self._prefixes.items():
            shelf = prefixes.get(key[:length])
            if shelf is not None and len(key) >= length:
                found = found + shelf
        for group in self._others:
            high = high_of(group.spec.range_end)
            if key >= group.spec.key and (high is None or key < high):
                found = [*found, group]
        return found


_NONE: list[_Group] = []


def _sighting(group: _Group, events: list[Event]) -> Sighting:
    if not group.spec.prev_kv:
        events = [strip_prev_kv(event) for event in events]
    return Sighting(tuple(group.watchers), tuple(events))


def strip_prev_kv(event: Event) -> Event:
    """Return the event as a watcher sees it that did not ask for `prev_kv`."""
    return event if event.prev_kv is None else msgspec.structs.replace(event, prev_kv=None)


def select(spec: WatchSpec, events: Iterable[Event]) -> tuple[Event, ...]:
    """Return what one watcher sees of some events: for one that is catching up from history."""
    alone = WatchIndex()
    alone.add(0, spec)
    found = alone.match(events)
    return found[0].events if found else ()
