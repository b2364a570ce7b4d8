"""Settings that make no sense are refused where they are made."""

import pytest

from transport.settings import LinkSettings


def test_the_defaults_stand_together() -> None:
    assert LinkSettings() == LinkSettings()


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"queue_messages": 0}, "queue_messages is 0"),
        ({"receive_bytes_max": -1}, "receive_bytes_max is -1"),
        ({"heartbeat_ms": 3000}, "heartbeat_timeout_ms must be longer"),
        ({"reconnect_ms": 900}, "reconnect_ms_max must not be shorter"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_by_name(wrong: dict[str, int], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        LinkSettings(**wrong)
