"""Configuration: typed, followed, never older than it was, and good or left alone."""

import asyncio
from datetime import date
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord.errors import Misuse
from coord.requests import Compact
from coord.testing.local import LocalCluster, in_loop, settle
from recipes.config import Change, Config, Setting


class Limits(msgspec.Struct, frozen=True):
    """A setting of several parts."""

    rate: int
    burst: int = 10


@in_loop
async def test_settings_are_read_at_the_start_and_followed_from_that_revision() -> None:
    client = LocalCluster().client()
    await client.put("c/rate", "100")
    config = Config(client, "c/")
    rate = config.setting("rate", int, 1)
    host = config.setting("host", str, "nowhere")
    assert (rate.value, host.value) == (1, "nowhere")
    async with config:
        assert (rate.value, host.value) == (100, "nowhere")
        await client.put("c/rate", "250")
        put = await client.put("c/host", "10.0.0.7")
        await config.until(lambda: host.value == "10.0.0.7")
        assert (rate.value, host.revision) == (250, put.revision)
        await client.delete("c/rate")
        await config.until(lambda: rate.value == 1)


@in_loop
async def test_a_setting_declared_late_has_its_value_at_once() -> None:
    client = LocalCluster().client()
    await client.put("c/limits", '{"rate": 5}')
    async with Config(client, "c/") as config:
        assert config.setting("limits", Limits, Limits(1)).value == Limits(5, 10)


@pytest.mark.parametrize(
    ("raw", "kind", "value"),
    [
        (b"7", int, 7),
        (b'"7"', int, 7),
        (b"7", str, "7"),
        (b'{"a"', str, '{"a"'),
        (b"true", bool, True),
        (b"1.5", float, 1.5),
        (b"[1, 2]", list[int], [1, 2]),
        (b"2026-11-22", date, date(2026, 11, 22)),
        (b"\xff", bytes, b"\xff"),
        (b"null", int | None, None),
    ],
)
@in_loop
async def test_values_become_the_type_that_was_declared(raw: bytes, kind: Any, value: Any) -> None:
    client = LocalCluster().client()
    await client.put("c/it", raw)
    async with Config(client, "c/") as config:
        it: Setting[Any] = config.setting("it", kind, "default")
        assert (it.value, it.problem) == (value, "")


@pytest.mark.parametrize(
    "bad", [b"many", b"\xff", b"", b"[1]", b"{", b"null", b"1.5", b"[" * 200_000]
)
@in_loop
async def test_a_bad_value_is_reported_and_the_last_good_one_stays(bad: bytes) -> None:
    client = LocalCluster().client()
    await client.put("c/rate", "100")
    config = Config(client, "c/")
    rate = config.setting("rate", int, 1)
    async with config:
        good = rate.revision
        await client.put("c/rate", bad)
        await config.until(lambda: rate.problem != "")
        assert (rate.value, rate.revision) == (100, good)
        assert config.problems == {"rate": rate.problem}
        await client.put("c/rate", "200")
        await config.until(lambda: rate.value == 200)
        assert config.problems == {}


@in_loop
async def test_a_value_bad_from_the_start_leaves_the_default() -> None:
    client = LocalCluster().client()
    await client.put("c/rate", "many")
    config = Config(client, "c/")
    rate = config.setting("rate", int, 1)
    async with config:
        assert rate.value == 1
        assert "rate" in config.problems


@in_loop
async def test_handlers_hear_of_each_change_in_order_by_name_or_by_prefix() -> None:
    client = LocalCluster().client()
    await client.put("c/index/a", "0")
    async with Config(client, "c/") as config:
        one: list[Change] = []
        every: list[str] = []
        typed: list[int] = []
        config.on_change("index/a", one.append)
        config.on_change("index/", lambda change: every.append(change.name), prefix=True)
        config.setting("index/a", int, 0).on_change(typed.append)
        await client.put("c/index/a", "1")
        await client.put("c/index/ab", "1")
        await client.put("c/index/a", "bad")
        gone = await client.delete("c/index/a")
        await config.until(lambda: config.revision == gone.revision)
        await settle()
        assert [change.value for change in one] == [b"1", b"bad", None]
        assert every == ["index/a", "index/ab", "index/a", "index/a"]
        assert typed == [1, 0]


@in_loop
async def test_a_handler_that_raises_disturbs_nobody_and_is_reported() -> None:
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: reported.append(context))
    client = LocalCluster().client()

    def fail(change: Change) -> None:
        raise LookupError

    async with Config(client, "c/") as config:
        heard: list[Change] = []
        config.on_change("a", fail)
        config.on_change("a", heard.append)
        await client.put("c/a", "1")
        await client.put("c/a", "2")
        await config.until(lambda: config.raw("a") == b"2")
        await settle()
        assert len(heard) == 2
    assert [type(context["exception"]) for context in reported] == [LookupError] * 2


@in_loop
async def test_after_compaction_overtook_it_the_newest_values_are_there() -> None:
    cluster = LocalCluster()
    client = cluster.client()
    await client.put("c/rate", "1")
    config = Config(client, "c/")
    rate = config.setting("rate", int, 0)
    heard: list[int] = []
    rate.on_change(heard.append)
    async with config:
        cluster.cut_watches()
        for number in range(2, 6):
            await client.put("c/rate", str(number))
        cluster.write(Compact(cluster.store.revision))
        cluster.fail_cut_watches()
        await config.until(lambda: rate.value == 5)
        await settle()
        assert heard == [5]


@in_loop
async def test_setting_what_is_not_of_the_declared_type_is_refused_and_writes_nothing() -> None:
    cluster = LocalCluster()
    config = Config(cluster.client(), "c/")
    rate = config.setting("rate", int, 1)
    async with config:
        with pytest.raises(Misuse, match="rate"):
            await config.set("rate", "many")
        assert config.raw("rate") is None
        await config.set("rate", 7)
        await config.until(lambda: rate.value == 7)


@given(st.lists(st.tuples(st.integers(1, 20), st.integers(0, 99)), max_size=30))
def test_a_setting_never_goes_back_in_time_whatever_it_is_told(
    told: list[tuple[int, int]],
) -> None:
    setting = Setting("rate", int, 0)
    seen = [0]
    for revision, value in told:
        setting.take(Change("rate", str(value).encode(), revision))
        seen.append(setting.revision)
    assert seen == sorted(seen)
    newest = max((revision for revision, _ in told), default=0)
    assert setting.revision == newest
    assert setting.value == next((v for r, v in told if r == newest), 0)
