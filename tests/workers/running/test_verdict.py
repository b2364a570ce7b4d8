"""What follows from an attempt, chosen without a store."""

import msgspec

from coord.model import KeyValue
from workers.model.ids import JobId
from workers.model.job import Backoff, Job
from workers.model.states import State
from workers.running.held_job import HeldJob
from workers.running.verdict import End, Retry, Snooze, Verdict, before_start, judge
from workers.running.wire import Failed, Finished, Outcome, PutOff

NOW = 1_700_000_000_000
ID = JobId("mail", "500000000000000120000")


def held(job: Job, *, claims: int = 1) -> HeldJob:
    kv = KeyValue(b"key", b"", 7, 7, 1, 3, claims)
    return HeldJob(ID, kv, job, job.tries + claims, started_unix_ms=NOW - 5)


def judged(found: HeldJob, outcome: Outcome) -> Verdict:
    return judge(found, outcome, "w", NOW, lambda: 0.5)


def test_a_return_is_an_ending_with_the_result_and_the_claims_token() -> None:
    verdict = judged(held(Job("f", tags=("a",))), Finished(1, 10, b"42", log="said"))
    assert isinstance(verdict, End)
    ending = verdict.ending
    assert (ending.state, ending.token, ending.attempt, ending.worker) == (State.DONE, 7, 1, "w")
    assert (bytes(ending.result), ending.log, ending.tags) == (b"42", "said", ("a",))


def test_a_failure_waits_for_its_backoff_with_jitter_before_the_next_attempt() -> None:
    job = Job("f", tries=1, backoff=Backoff(base_ms=1000, factor=3.0, jitter=0.2))
    verdict = judged(held(job), Failed(1, 10, "why", log="said"))
    assert isinstance(verdict, Retry)
    assert verdict.due_unix_ms == NOW + 2700
    assert (verdict.attempt.number, verdict.attempt.cause, verdict.attempt.log) == (
        2,
        "why",
        "said",
    )


def test_the_last_attempts_failure_is_the_jobs_death() -> None:
    verdict = judged(held(Job("f", attempts_max=3, tries=2)), Failed(1, 10, "why"))
    assert isinstance(verdict, End)
    assert (verdict.ending.state, verdict.ending.cause) == (State.DEAD, "why")
    assert verdict.attempt is not None
    assert verdict.attempt.number == 3


def test_what_no_attempt_can_mend_is_dead_at_the_first() -> None:
    verdict = judged(held(Job("f")), Failed(1, 10, "no such name", again=False))
    assert isinstance(verdict, End)
    assert verdict.ending.state is State.DEAD


def test_a_job_decides_itself_when_to_be_tried_again_or_put_off() -> None:
    again = judged(held(Job("f")), Failed(1, 10, "why", after_ms=0))
    later = judged(held(Job("f")), PutOff(1, 10, 250))
    assert isinstance(again, Retry)
    assert again.due_unix_ms == NOW
    assert later == Snooze(NOW + 250)


def test_a_failure_after_a_request_to_end_is_a_cancellation_but_a_return_is_not() -> None:
    found = held(Job("f"))
    found.cancel_reason = "not wanted"
    failed = judged(found, Failed(1, 10, "interrupted"))
    put_off = judged(found, PutOff(1, 10, 5))
    done = judged(found, Finished(1, 10))
    assert isinstance(failed, End)
    assert isinstance(put_off, End)
    assert isinstance(done, End)
    states = [each.ending.state for each in (failed, put_off, done)]
    assert states == [State.CANCELLED, State.CANCELLED, State.DONE]
    assert failed.ending.cause == "not wanted"


def test_a_job_lost_with_too_many_workers_is_dead_before_it_starts() -> None:
    found = held(Job("f", attempts_max=2, tries=1), claims=2)
    found.started_unix_ms = 0
    verdict = before_start(found, "w", NOW)
    assert verdict is not None
    assert (verdict.ending.state, verdict.ending.attempt) == (State.DEAD, 3)
    assert verdict.ending.cause == "its worker was lost once"


def test_only_a_job_never_tried_can_be_too_late_to_start() -> None:
    job = Job("f", expires_unix_ms=NOW)
    late, tried = held(job), held(msgspec.structs.replace(job, tries=1))
    put_off = held(msgspec.structs.replace(job, snoozes=1))
    verdict = before_start(late, "w", NOW)
    assert verdict is not None
    assert verdict.ending.state is State.EXPIRED
    assert before_start(tried, "w", NOW) is None
    assert before_start(put_off, "w", NOW) is None
    assert before_start(late, "w", NOW - 1) is None
