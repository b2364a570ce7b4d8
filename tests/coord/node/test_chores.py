"""Chores: whose alarm is lifted by whom."""

from coord import limits
from coord.frames import Batch
from coord.ids import ClusterId, NodeId
from coord.node.chores import Chores, internal_frame
from coord.node.settings import NodeSettings
from coord.requests import SetAlarm
from coord.store.machine import Store

_SECOND_MS = 1000.0


def _chores() -> Chores:
    settings = NodeSettings(
        cluster=ClusterId(1),
        node=NodeId(1),
        name="n1",
        client_address="tcp://h:1",
        members={1: ("n1", "tcp://h:2")},
    )
    return Chores(settings)


def _alarmed(*members: int) -> Store:
    store = Store()
    frames = tuple(internal_frame(SetAlarm(member, True)) for member in members)
    store.apply(1, Batch(0, frames))
    return store


def _lifted_after_ms(chores: Chores, store: Store, active: set[int]) -> float | None:
    """Look every second for two minutes; return when an alarm was to be lifted first."""
    for second in range(120):
        lift = chores.alarm_to_lift(store, active, second * _SECOND_MS)
        if lift is not None:
            assert lift == SetAlarm(2, False)
            return second * _SECOND_MS
    return None


def test_the_alarm_of_a_member_unheard_of_is_lifted_after_a_minute() -> None:
    assert _lifted_after_ms(_chores(), _alarmed(2), {3}) == limits.ALARM_SILENCE_MS


def test_the_alarm_of_a_living_member_and_ones_own_are_not_for_others_to_lift() -> None:
    assert _lifted_after_ms(_chores(), _alarmed(1, 2), {2, 3}) is None


def test_a_sign_of_life_or_a_new_term_begins_the_minute_anew() -> None:
    chores, store = _chores(), _alarmed(2)
    almost_ms = limits.ALARM_SILENCE_MS - _SECOND_MS
    assert chores.alarm_to_lift(store, set(), 0.0) is None
    assert chores.alarm_to_lift(store, {2}, almost_ms) is None
    assert chores.alarm_to_lift(store, set(), limits.ALARM_SILENCE_MS) is None
    chores.start_afresh()
    assert chores.alarm_to_lift(store, set(), 3 * limits.ALARM_SILENCE_MS) is None
