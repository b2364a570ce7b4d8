"""Waiting for sockets or a word from another thread, with and without a look before sleeping."""

import threading
import time
from collections.abc import Iterator

import pytest

from transport.zmtp_poller import Poller

_LONG_MS = 20_000.0


@pytest.fixture
def poller() -> Iterator[Poller]:
    """A poller over nothing but its own bell."""
    made = Poller()
    yield made
    made.close()


@pytest.mark.parametrize("look_ms", [0.0, 0.2, _LONG_MS])
def test_a_wake_ends_a_wait_that_looks_as_well_as_one_that_sleeps(
    poller: Poller, look_ms: float
) -> None:
    bell = threading.Timer(0.01, poller.wake)
    bell.start()
    began_s = time.monotonic()
    poller.wait(_LONG_MS, look_ms)
    assert time.monotonic() - began_s < _LONG_MS / 2000
    bell.join()


def test_a_wake_before_the_wait_is_not_lost_and_many_count_once(poller: Poller) -> None:
    for _ in range(1000):
        poller.wake()
    poller.wait(_LONG_MS, 0.2)
    began_s = time.monotonic()
    poller.wait(30.0, 0.2)
    assert time.monotonic() - began_s >= 0.029


def test_a_look_is_never_longer_than_the_wait(poller: Poller) -> None:
    began_s = time.monotonic()
    poller.wait(20.0, _LONG_MS)
    assert 0.019 <= time.monotonic() - began_s < _LONG_MS / 2000


def test_a_wait_of_nothing_only_looks_once(poller: Poller) -> None:
    began_s = time.monotonic()
    poller.wait(0.0, _LONG_MS)
    assert time.monotonic() - began_s < _LONG_MS / 2000
