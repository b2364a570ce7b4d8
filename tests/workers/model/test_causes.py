"""Which line of a cause is shown where there is room for one."""

import traceback

import pytest

from workers.model.causes import headline


def told(error: Exception) -> str:
    try:
        raise error
    except Exception:  # noqa: BLE001 - whatever it is
        return traceback.format_exc()


def noted() -> Exception:
    error = ValueError("the order is odd")
    error.add_note("see the manual")
    return error


def chained() -> Exception:
    error = KeyError("second")
    try:
        raise ValueError("first")
    except ValueError as first:
        error.__cause__ = first
    return error


GROUP = ExceptionGroup("both", [ValueError(1), noted()])


@pytest.mark.parametrize(
    ("cause", "line"),
    [
        ("", ""),
        ("hard limit of 50 ms exceeded", "hard limit of 50 ms exceeded"),
        ("not yet\nask again", "not yet"),
        (told(ValueError("no number")), "ValueError: no number"),
        (told(ValueError("two fields\n  name\n  age\nsee there")), "ValueError: two fields"),
        (told(noted()), "ValueError: the order is odd"),
        (told(chained()), "KeyError: 'second'"),
        (told(GROUP), "ExceptionGroup: both (2 sub-exceptions)"),
        (f"soft limit of 5 ms exceeded\n{told(ValueError())}", "soft limit of 5 ms exceeded"),
    ],
)
def test_the_line_that_names_what_was_raised_is_shown(cause: str, line: str) -> None:
    assert headline(cause) == line
