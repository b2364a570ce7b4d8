"""`coord watch`: what is asked for, and how events are printed."""

import json
from collections.abc import Iterator
from typing import Any

import attrs
import pytest

from coord.client.watch import WatchBatch
from coord.errors import HistoryCompacted
from coord.model import Cause, Event, EventKind, KeyValue

PUT = Event(
    EventKind.PUT, Cause.WRITTEN, KeyValue(b"a", b"2", 2, 3, 2), KeyValue(b"a", b"1", 2, 2, 1)
)
GONE = Event(EventKind.DELETE, Cause.EXPIRED, KeyValue(b"a", b"", 0, 4, 0))


@attrs.define
class ScriptedWatch:
    """Hands out batches, then raises or ends."""

    batches: list[WatchBatch]
    error: Exception | None = None
    cancelled: bool = False

    def __enter__(self) -> "ScriptedWatch":
        return self

    def __exit__(self, *_: object) -> None:
        self.cancelled = True

    def __iter__(self) -> Iterator[WatchBatch]:
        yield from self.batches
        if self.error is not None:
            raise self.error


def changes(error: Exception | None = None) -> ScriptedWatch:
    return ScriptedWatch([WatchBatch((PUT,), 3), WatchBatch((GONE,), 4)], error)


def test_events_are_printed_as_etcdctl_does(coord_command: Any) -> None:
    watch = changes()
    result = coord_command("watch", "a", watch=watch)
    assert result.stdout == "PUT\na\n1\na\n2\nDELETE\na\n\n"
    assert watch.cancelled


def test_the_range_and_the_start_are_passed_on(coord_command: Any) -> None:
    coord_command("watch", "a", "--prefix", "--rev", "7", "--prev-kv", watch=changes())
    name, args, options = coord_command.call
    assert (name, args) == ("watch", (b"a",))
    assert options == {
        "start_revision": 7,
        "range_end": None,
        "prefix": True,
        "from_key": False,
        "prev_kv": True,
    }


def test_as_json_each_batch_is_one_line_in_etcdctls_shape(coord_command: Any) -> None:
    result = coord_command("watch", "a", "-w", "json", watch=changes())
    first, second = (json.loads(line) for line in result.stdout.splitlines())
    assert first["Header"]["revision"] == 3
    assert first["Events"][0]["kv"]["value"] == "Mg=="
    assert first["Events"][0]["prev_kv"]["value"] == "MQ=="
    assert second["Events"][0]["type"] == 1
    assert second["Events"][0]["cause"] == "expired"


def test_as_a_table_each_event_is_one_line(coord_command: Any) -> None:
    result = coord_command("watch", "a", "-w", "table", watch=changes())
    first, second = result.stdout.splitlines()
    assert first.split() == ["3", "PUT", "written", "a", "2"]
    assert second.split() == ["4", "DELETE", "expired", "a"]


def test_falling_behind_compaction_ends_with_not_done(coord_command: Any) -> None:
    result = coord_command("watch", "a", watch=changes(HistoryCompacted(9)))
    assert result.exit_code == 1
    assert "required revision has been compacted" in result.stderr
    assert result.stdout.startswith("PUT\n")


@pytest.mark.parametrize(
    ("args", "said"),
    [([], "Missing argument 'KEY'"), (["a", "--rev", "-1"], "-1 is not in the range")],
)
def test_bad_input_is_misuse_told_in_one_line(
    coord_command: Any, args: list[str], said: str
) -> None:
    result = coord_command("watch", *args)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
