"""Decoding: what readers cannot read is told from what they can, before and after it is stored."""

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from coord.errors import Misuse
from coord.model import KeyValue
from recipes.conditions import Met
from recipes.decoding import UNREADABLE, encoded
from recipes.gate_records import decoded


class Card(msgspec.Struct, frozen=True):
    name: str = ""
    copies: int = 1
    notes: Mapping[str, str] = {}


@pytest.mark.parametrize("raw", [b'{"name":"\xff"}', b'{"other":' * 100_000, b"nonsense", b""])
def test_what_cannot_be_read_is_one_of_three_errors(raw: bytes) -> None:
    with pytest.raises(UNREADABLE):
        msgspec.json.decode(raw, type=Card)
    assert decoded(KeyValue(b"g", raw, 1, 1, 1), Met) is None


def test_a_value_of_its_declared_types_is_encoded() -> None:
    assert msgspec.json.decode(encoded(Card("a", 2, {"b": "c"})), type=Card).notes == {"b": "c"}


@pytest.mark.parametrize(
    "fields",
    [
        {"name": b"a"}, {"name": None}, {"name": "\ud800"}, {"copies": 1.5}, {"copies": True},
        {"copies": 10**5000}, {"notes": {"a": 1}}, {"notes": {1: "a"}}, {"notes": object()},
    ],
)  # fmt: skip
def test_a_value_its_readers_would_pass_over_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(Misuse, match="Card"):
        encoded(Card(**fields))
