"""Virtual time: order, streams of luck, the trace."""

from coord.testing.schedule import Schedule, Trace


def test_things_happen_in_order_of_time_and_then_of_asking() -> None:
    schedule = Schedule(1)
    seen: list[str] = []
    schedule.at(5.0, lambda: seen.append("late"))
    schedule.at(2.0, lambda: seen.append("first"))
    schedule.at(2.0, lambda: seen.append("second"))
    while schedule.step(10.0):
        pass
    assert seen == ["first", "second", "late"]
    assert schedule.now_ms == 10.0


def test_a_cancelled_alarm_stays_silent() -> None:
    schedule = Schedule(1)
    seen: list[str] = []
    alarm = schedule.after(1.0, lambda: seen.append("never"))
    alarm.cancel()
    assert not schedule.step(10.0)
    assert seen == []
    assert not alarm.pending


def test_nothing_later_than_the_bound_happens() -> None:
    schedule = Schedule(1)
    seen: list[float] = []
    schedule.at(3.0, lambda: seen.append(schedule.now_ms))
    assert not schedule.step(2.0)
    assert schedule.now_ms == 2.0
    assert schedule.step(3.0)
    assert seen == [3.0]


def test_a_moment_in_the_past_means_now() -> None:
    schedule = Schedule(1)
    schedule.step(50.0)
    schedule.at(10.0, lambda: None)
    assert schedule.step(50.0)
    assert schedule.now_ms == 50.0


def test_streams_repeat_by_seed_and_differ_by_purpose() -> None:
    first = [Schedule(7).stream("network").random() for _ in range(2)]
    assert first[0] == first[1]
    assert Schedule(7).stream("clients").random() != first[0]
    assert Schedule(8).stream("network").random() != first[0]


def test_the_trace_hash_tells_lines_moments_and_payloads_apart() -> None:
    def digest(now_ms: float, what: str, payload: bytes) -> str:
        trace = Trace()
        trace.note(now_ms, what, payload)
        return trace.digest()

    digests = {digest(1, "a", b""), digest(2, "a", b""), digest(1, "b", b""), digest(1, "a", b"x")}
    assert len(digests) == 4
    assert digest(1, "a", b"") in digests
