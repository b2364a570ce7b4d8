"""Arguments: checked where they are given and where they run, plain in between."""

import dataclasses
import enum
import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import attrs
import msgspec
import pytest

from workers.app.context import Context
from workers.app.signature import Signature
from workers.errors import BadArguments
from workers.model.job import Job, decode_job, encode_job


@dataclasses.dataclass
class Point:
    x: int
    y: float = 0.0


@attrs.frozen
class Name:
    first: str


class Item(msgspec.Struct):
    sku: str
    raw: bytes = b""


class Colour(enum.Enum):
    RED = "red"


class Strange:
    pass


def travelled(args: dict[str, Any]) -> dict[str, Any]:
    """Return arguments as they arrive at a worker."""
    job = decode_job(encode_job(Job("f", args)))
    assert job is not None
    return job.args


def called(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a function the long way round."""
    signature = Signature("f", function)
    positional, named = signature.unpack(travelled(signature.bind(args, kwargs)))
    return function(*positional, **named)


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (int, 3),
        (str, "é"),
        (bytes, b"\xff"),
        (float, math.inf),
        (Point, Point(1, 2.5)),
        (Name, Name("ann")),
        (Item, Item("a", b"\x00")),
        (Colour, Colour.RED),
        (datetime, datetime(2026, 1, 2, tzinfo=UTC)),
        (list[Point], [Point(1)]),
        (dict[int, str], {1: "a"}),
        (set[int], {1, 2}),
        (int | None, None),
        (Any, {"a": [1, None, "b"]}),
    ],
)
def test_an_annotated_argument_arrives_as_it_was_given(hint: Any, value: Any) -> None:
    def function(argument: Any) -> Any:
        return argument

    function.__annotations__["argument"] = hint
    assert called(function, value) == value


def test_arguments_are_named_defaults_left_out_and_kinds_kept() -> None:
    def function(a: int, /, b: int, *, c: int = 3, **rest: int) -> tuple[Any, ...]:
        return a, b, c, rest

    assert Signature("f", function).bind((1,), {"b": 2, "d": 4}) == {"a": 1, "b": 2, "d": 4}
    assert called(function, 1, 2, d=4) == (1, 2, 3, {"d": 4})


def test_an_argument_that_must_be_named_is_missed_by_its_name() -> None:
    def function(*, n: int) -> None: ...

    with pytest.raises(BadArguments, match="'n'"):
        Signature("f", function).bind((), {})


def test_a_context_comes_first_and_is_no_argument() -> None:
    def with_context(ctx: Context, n: int) -> None: ...

    def without(ctx: int) -> None: ...

    signature = Signature("f", with_context)
    assert signature.takes_context
    assert signature.bind((3,), {}) == {"n": 3}
    assert not Signature("f", without).takes_context


def test_annotations_that_cannot_be_resolved_are_not_checked_yet_a_context_is_known() -> None:
    def function(ctx: "Context", n: "Missing") -> None: ...  # type: ignore[name-defined]  # noqa: F821

    signature = Signature("f", function)
    assert signature.takes_context
    assert signature.bind(("anything",), {}) == {"n": "anything"}


@pytest.mark.parametrize(
    ("args", "kwargs", "why"),
    [
        ((), {}, "'n'"),
        ((1, "a", 3), {}, "too many positional"),
        ((1,), {"colour": 1}, "'colour'"),
        (("one",), {}, "argument 'n': Expected `int`, got `str`"),
        ((True,), {}, "argument 'n'"),
        ((1, Strange()), {}, "argument 'text'"),
        ((1, 5), {}, "argument 'text': Expected `str`"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_by_name(
    args: tuple[Any, ...], kwargs: dict[str, Any], why: str
) -> None:
    def function(n: int, text: str = "") -> None: ...

    with pytest.raises(BadArguments, match=why) as caught:
        Signature("mail.send", function).bind(args, kwargs)
    assert "mail.send" in str(caught.value)


@pytest.mark.parametrize(
    ("kept", "why"),
    [
        ({}, "missing a required argument: 'n'"),
        ({"n": 1, "colour": 2}, "unexpected argument 'colour'"),
        ({"n": "1"}, "argument 'n'"),
    ],
)
def test_the_worker_refuses_what_no_longer_fits_the_function(
    kept: dict[str, Any], why: str
) -> None:
    def function(n: int, text: str = "") -> None: ...

    with pytest.raises(BadArguments, match=why):
        Signature("f", function).unpack(kept)


def test_what_cannot_travel_is_refused_whatever_the_annotation() -> None:
    def function(x: Strange, y: Any = None) -> None: ...

    with pytest.raises(BadArguments, match="argument 'x'"):
        Signature("f", function).bind((Strange(),), {})
    with pytest.raises(BadArguments, match="argument 'y'"):
        Signature("f", function).bind((1,), {"y": Strange()})


def test_an_annotation_the_checker_cannot_use_is_not_checked() -> None:
    def function(x: list[int] | set[int]) -> None: ...

    assert Signature("f", function).bind((["a"],), {}) == {"x": ["a"]}


def test_an_argument_given_by_its_place_and_by_name_beside_it_is_named() -> None:
    def resize(path: str, /, **more: object) -> None: ...

    with pytest.raises(BadArguments, match="'path' is given twice"):
        Signature("resize", resize).bind(("a.png",), {"path": "b.png"})
