"""The table of states."""

from workers.model.states import ENDED, STEPS, State, Step, after


def test_every_state_can_be_reached_and_every_step_is_taken_somewhere() -> None:
    reached = {state for states in STEPS.values() for state in states}
    assert reached | {State.LATER} == set(State)
    assert {step for _, step in STEPS} == set(Step)


def test_from_an_ended_state_only_a_replay_leads_on() -> None:
    assert {step for state, step in STEPS if state in ENDED} == {Step.REPLAY}
    assert after(State.DONE, Step.REPLAY) == ()


def test_a_job_ends_well_only_in_a_workers_hands() -> None:
    assert {state for state, to in STEPS.items() if State.DONE in to} == {
        (State.HELD, Step.COMPLETE)
    }


def test_every_state_that_is_no_end_leads_to_an_end() -> None:
    for state in set(State) - ENDED:
        known, new = set[State](), {state}
        while new:
            known |= new
            new = {to for (at, _), states in STEPS.items() if at in known for to in states} - known
        assert known & ENDED, state
