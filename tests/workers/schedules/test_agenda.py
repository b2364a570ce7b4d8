"""The agenda: each name at its newest time, the soonest first."""

from hypothesis import given
from hypothesis import strategies as st

from workers.schedules.agenda import Agenda

_steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from("abcdef"), st.integers(0, 50)),
        st.tuples(st.just("drop"), st.sampled_from("abcdef"), st.just(0)),
        st.tuples(st.just("take"), st.just(""), st.integers(0, 50)),
    ),
    max_size=300,
)


@given(_steps)
def test_it_agrees_with_a_plain_dictionary(steps: list[tuple[str, str, int]]) -> None:
    agenda, twin = Agenda(), dict[str, int]()
    for what, name, number in steps:
        if what == "put":
            agenda.put(name, number)
            twin[name] = number
        elif what == "drop":
            agenda.drop(name)
            twin.pop(name, None)
        else:
            due = sorted((when, who) for who, when in twin.items() if when <= number)[:3]
            assert agenda.take(number, 3) == [who for _, who in due]
            for _, who in due:
                del twin[who]
        assert agenda.soonest_unix_ms == min(twin.values(), default=None)
        assert len(agenda) == len(twin)
        assert agenda.has("a") == ("a" in twin)
