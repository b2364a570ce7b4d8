"""The monitor: who comes, leaves and vanishes, each told once and for what it was."""

from coord.requests import Compact
from coord.testing.local import LocalCluster, in_loop, settle
from recipes.membership import Group
from recipes.monitor import Monitor, Sighting, What


def _told(sightings: list[Sighting]) -> list[tuple[str, What]]:
    return [(sighting.name, sighting.what) for sighting in sightings]


@in_loop
async def test_coming_changing_and_leaving_in_order_are_told_once_each() -> None:
    client = LocalCluster().client()
    group = Group(client, "g/")
    async with group.join("before"), Monitor(client, "g/") as monitor:
        assert monitor.present == ("before",)
        seen: list[Sighting] = []
        monitor.on(seen.append)
        async with group.join("a", "1") as a:
            await a.update("2")
        await settle()
        assert _told(seen) == [("a", What.CAME), ("a", What.CHANGED), ("a", What.LEFT)]
        assert [sighting.value for sighting in seen] == [b"1", b"2", b"2"]
        assert monitor.present == ("before",)


@in_loop
async def test_one_whose_heart_beats_stop_has_vanished_within_its_time_to_live() -> None:
    cluster = LocalCluster()
    client = cluster.client()
    async with Group(client, "g/").join("a", ttl_ms=1000), Monitor(client, "g/") as monitor:
        seen: list[Sighting] = []
        monitor.on(seen.append, What.VANISHED)
        cluster.sessions[0].stall()
        cluster.advance(999)
        await settle()
        assert seen == []
        cluster.advance(1)
        await settle()
        assert _told(seen) == [("a", What.VANISHED)]


@in_loop
async def test_a_handler_hears_of_what_it_asked_for_only() -> None:
    client = LocalCluster().client()
    async with Monitor(client, "g/") as monitor:
        left: list[Sighting] = []
        monitor.on(left.append, What.LEFT, What.VANISHED)
        await client.put("g/a", "1")
        await client.delete("g/a")
        await settle()
        assert _told(left) == [("a", What.LEFT)]


@in_loop
async def test_after_compaction_what_changed_in_between_is_told_by_its_outcome() -> None:
    cluster = LocalCluster()
    client = cluster.client()
    for name in ("goes", "returns", "stays"):
        await client.put(f"g/{name}", "1")
    async with Monitor(client, "g/") as monitor:
        seen: list[Sighting] = []
        monitor.on(seen.append)
        cluster.cut_watches()
        await client.delete("g/goes")
        await client.delete("g/returns")
        await client.put("g/returns", "2")
        await client.put("g/stays", "2")
        await client.put("g/new", "1")
        cluster.write(Compact(cluster.store.revision))
        cluster.fail_cut_watches()
        await settle()
        assert sorted(_told(seen), key=lambda told: told[0]) == [
            ("goes", What.LEFT),
            ("new", What.CAME),
            ("returns", What.LEFT),
            ("returns", What.CAME),
            ("stays", What.CHANGED),
        ]
        assert monitor.present == ("new", "returns", "stays")
