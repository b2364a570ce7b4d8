"""Settings refuse what could not work."""

import pytest

from coord.errors import Misuse
from coord.raft.settings import RaftSettings


def test_defaults_are_accepted() -> None:
    settings = RaftSettings(cluster=1, node=1)
    assert settings.heartbeat_ticks * 2 < settings.election_ticks


@pytest.mark.parametrize(
    "wrong",
    [
        {"cluster": 0},
        {"node": 0},
        {"node": -3},
        {"heartbeat_ticks": 0},
        {"heartbeat_ticks": 30, "election_ticks": 30},
        {"append_bytes_max": 0},
        {"append_inflight_max": 0},
        {"append_inflight_bytes_max": 0},
        {"uncommitted_bytes_max": 0},
    ],
)
def test_ids_and_bounds_that_could_not_work_are_misuse(wrong: dict[str, int]) -> None:
    with pytest.raises(Misuse):
        RaftSettings(**{"cluster": 1, "node": 1, **wrong})
