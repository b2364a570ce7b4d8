"""Which endpoints a client starts from."""

from pathlib import Path

import pytest

from coord.client.settings import embedded_home, endpoints_from
from coord.errors import Misuse


def test_endpoints_come_as_a_list_or_separated_by_commas() -> None:
    expected = ("tcp://a:1", "ipc:///run/b")
    assert endpoints_from(["a:1", "ipc:///run/b"], {}) == expected
    assert endpoints_from(" a:1 , ipc:///run/b", {}) == expected


def test_each_address_counts_once() -> None:
    assert endpoints_from("a:1,tcp://a:1,b:2", {}) == ("tcp://a:1", "tcp://b:2")


def test_the_environment_speaks_when_the_caller_does_not() -> None:
    environment = {"COORD_ENDPOINTS": "a:1,b:2"}
    assert endpoints_from(None, environment) == ("tcp://a:1", "tcp://b:2")
    assert endpoints_from("c:3", environment) == ("tcp://c:3",)
    assert endpoints_from(None, {}) == endpoints_from(None, {"COORD_ENDPOINTS": " "}) == ()


@pytest.mark.parametrize("given", ["", ",", "a:1,", []])
def test_an_empty_address_is_refused(given: str | list[str]) -> None:
    with pytest.raises(Misuse):
        endpoints_from(given, {})


def test_the_embedded_default_lives_where_it_is_told_or_among_the_users_data() -> None:
    assert embedded_home({"COORD_HOME": "/x", "XDG_DATA_HOME": "/y"}) == Path("/x")
    assert embedded_home({"XDG_DATA_HOME": "/y"}) == Path("/y/coord")
    assert embedded_home({}) == Path("~/.local/share/coord").expanduser()
