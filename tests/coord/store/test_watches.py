"""Matching events to watchers: who sees what, and that crowds of watchers cost nothing."""

from random import Random

import pytest

from coord.model import Cause, Event, EventKind, KeyValue
from coord.store.spans import prefix_end
from coord.store.watches import Sighting, WatchIndex, WatchSpec, select
from coord.testing.dumb_store import covers

OLD = KeyValue(b"old", b"", 1, 1, 1)


def put(key: bytes, revision: int = 2) -> Event:
    return Event(EventKind.PUT, Cause.WRITTEN, KeyValue(key, b"v", revision, revision, 1), OLD)


def delete(key: bytes, revision: int = 2) -> Event:
    return Event(EventKind.DELETE, Cause.DELETED, KeyValue(key, b"", 0, revision, 0), OLD)


def seen(spec: WatchSpec, *events: Event) -> list[bytes]:
    return [event.kv.key for event in select(spec, events)]


EVENTS = [put(key) for key in (b"a", b"a/", b"a/1", b"a0", b"b", b"\xff", b"\xff\xff")]


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        (WatchSpec(b"a"), [b"a"]),
        (WatchSpec(b"a/", b"a0"), [b"a/", b"a/1"]),
        (WatchSpec(b"a", b"b"), [b"a", b"a/", b"a/1", b"a0"]),
        (WatchSpec(b"a/1", b"b\0"), [b"a/1", b"a0", b"b"]),
        (WatchSpec(b"b", b"\0"), [b"b", b"\xff", b"\xff\xff"]),
        (WatchSpec(b"\0", b"\0"), [event.kv.key for event in EVENTS]),
        (WatchSpec(b"\xff", b"\0"), [b"\xff", b"\xff\xff"]),
        (WatchSpec(b"x"), []),
    ],
)
def test_a_watch_sees_its_key_prefix_or_range(spec: WatchSpec, found: list[bytes]) -> None:
    assert seen(spec, *EVENTS) == found


def test_filters_leave_out_kinds_and_a_batch_left_empty_is_not_told() -> None:
    events = (put(b"a"), delete(b"a"))
    assert [event.kind for event in select(WatchSpec(b"a", no_put=True), events)] == [1]
    assert [event.kind for event in select(WatchSpec(b"a", no_delete=True), events)] == [0]
    index = WatchIndex()
    index.add(1, WatchSpec(b"a", no_put=True))
    assert index.match([put(b"a")]) == []


def test_prev_kv_is_there_only_where_it_was_asked_for() -> None:
    assert select(WatchSpec(b"a", prev_kv=True), [put(b"a")])[0].prev_kv == OLD
    assert select(WatchSpec(b"a"), [put(b"a")])[0].prev_kv is None


def test_watchers_of_one_spec_share_one_sighting() -> None:
    index = WatchIndex()
    for watcher in (5, 3, 9):
        index.add(watcher, WatchSpec(b"a"))
    index.add(4, WatchSpec(b"a", prev_kv=True))
    found = index.match([put(b"a", 2), put(b"b", 3), put(b"a", 4)])
    assert [sighting.watchers for sighting in found] == [(5, 3, 9), (4,)]
    assert [event.kv.mod_revision for event in found[0].events] == [2, 4]


def test_a_removed_watcher_sees_nothing_and_leaves_nothing_behind() -> None:
    index = WatchIndex()
    specs = [WatchSpec(b"a"), WatchSpec(b"a", b"b"), WatchSpec(b"a", b"zz")]
    for watcher, spec in enumerate(specs):
        index.add(watcher, spec)
        index.add(watcher + 10, spec)
    for watcher in range(3):
        index.remove(watcher)
        index.remove(watcher)
    assert {sighting.watchers for sighting in index.match([put(b"a")])} == {(10,), (11,), (12,)}
    for watcher in range(10, 13):
        index.remove(watcher)
    assert index.match([put(b"a")]) == []
    assert len(index) == 0
    assert [index._exact, index._prefixes, index._others, index._groups] == [{}, {}, [], {}]


def test_matching_agrees_with_asking_every_watcher() -> None:
    random = Random(2)
    names = [bytes(random.choices(b"ab\xff", k=random.randrange(1, 4))) for _ in range(40)]
    index, specs = WatchIndex(), {}
    for watcher in range(300):
        key, end = random.choice(names), random.choice(names)
        range_end = random.choice([b"", b"\0", prefix_end(key), end if end > key else b""])
        flags = [random.random() < 0.3 for _ in range(3)]
        specs[watcher] = WatchSpec(key, range_end, *flags)
        index.add(watcher, specs[watcher])
    events = [random.choice((put, delete))(random.choice(names), at) for at in range(50)]
    found: dict[int, Sighting] = {}
    for sighting in index.match(events):
        for watcher in sighting.watchers:
            assert watcher not in found
            found[watcher] = sighting
    for watcher, spec in specs.items():
        wanted = [
            event.kv.mod_revision
            for event in events
            if covers(event.kv.key, spec.key, spec.range_end)
            and not (spec.no_delete if event.kind else spec.no_put)
        ]
        told = found[watcher].events if watcher in found else ()
        assert [event.kv.mod_revision for event in told] == wanted


def test_ten_thousand_watchers_elsewhere_are_not_asked() -> None:
    index = WatchIndex()
    for watcher in range(10_000):
        index.add(watcher, WatchSpec(b"key/%d" % watcher))
    for watcher in range(10_000, 20_000):
        prefix = b"dir/%05d/" % watcher
        index.add(watcher, WatchSpec(prefix, prefix_end(prefix)))
    looked_at = index._groups_of(b"dir/15000/x") + index._groups_of(b"key/7")
    assert [tuple(group.watchers) for group in looked_at] == [(15_000,), (7,)]
