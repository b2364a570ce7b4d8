"""What a running job tells by its context: reports thinned out, cut to size, ended with it."""

import threading

import pytest

from coord.errors import Misuse
from workers.model.job import Job
from workers.running.context import (
    MESSAGE_CHARS_MAX,
    SPAWNED_BYTES_MAX,
    SPAWNED_MAX,
    JobContext,
)
from workers.running.wire import Report, Run

RUN = Run(3, "mail:500000000000000120000", 2, b"")


class Collected:
    """Takes reports from any thread."""

    def __init__(self) -> None:
        self.reports: list[Report] = []
        self._news = threading.Condition()

    def __call__(self, report: Report) -> None:
        with self._news:
            self.reports.append(report)
            self._news.notify_all()

    def wait_for(self, done: int) -> None:
        with self._news:
            assert self._news.wait_for(lambda: self.reports[-1].done == done, 10)


def context(sent: Collected) -> JobContext:
    return JobContext(RUN, Job("f", tags=("a",), hard_limit_ms=1000), sent)


def test_a_job_sees_what_it_is() -> None:
    found = context(Collected())
    assert (found.id, found.name, found.queue, found.attempt) == (RUN.id, "f", "mail", 2)
    assert found.tags == ("a",)
    assert found.deadline_unix_ms > 0
    assert not found.cancelled.is_set()


def test_many_reports_at_once_are_few_messages_and_the_last_arrives() -> None:
    sent = Collected()
    found = context(sent)
    for number in range(1, 1001):
        found.progress(number, 1000)
    sent.wait_for(1000)
    assert len(sent.reports) < 100
    assert [report.run for report in sent.reports] == [3] * len(sent.reports)


def test_nothing_is_sent_after_the_end() -> None:
    sent = Collected()
    found = context(sent)
    found.progress(1)
    found.progress(2)
    found.close()
    found.progress(3)
    assert [report.done for report in sent.reports] == [1]


def test_a_report_is_cut_to_size_and_made_of_whole_numbers() -> None:
    sent = Collected()
    found = context(sent)
    found.progress(1.9, 3.0, "x" * 10_000)  # type: ignore[arg-type]
    (report,) = sent.reports
    assert (report.done, report.total, len(report.message)) == (1, 3, MESSAGE_CHARS_MAX)
    with pytest.raises(ValueError, match="NaN"):
        found.progress(float("nan"))  # type: ignore[arg-type]


@pytest.mark.parametrize("numbers", [(-1, 0), (1, -1), (2**63, 0)])
def test_a_number_that_nobody_could_show_is_the_jobs_own_mistake(numbers: tuple[int, int]) -> None:
    sent = Collected()
    with pytest.raises(Misuse):
        context(sent).progress(*numbers)
    assert sent.reports == []


def test_what_utf_8_cannot_say_is_written_out_in_a_message() -> None:
    sent = Collected()
    context(sent).progress(1, 2, "file \udcff")
    assert sent.reports[0].message == "file \\udcff"


def test_more_jobs_than_a_transaction_takes_are_refused_when_spawned() -> None:
    found = context(Collected())
    for _ in range(SPAWNED_MAX):
        found.enqueue_when_done("mail", 4, Job("g"))
    with pytest.raises(Misuse, match="more than 900 jobs spawned by one job: enqueue them"):
        found.enqueue_when_done("mail", 4, Job("g"))
    assert len(found.spawned) == SPAWNED_MAX


def test_larger_jobs_than_a_transaction_takes_are_refused_when_spawned() -> None:
    found = context(Collected())
    large = Job("g", {"text": "x" * (SPAWNED_BYTES_MAX // 2)})
    found.enqueue_when_done("mail", 4, large)
    with pytest.raises(Misuse, match="bytes spawned by one job"):
        found.enqueue_when_done("mail", 4, large)


def test_a_job_that_looks_whether_it_is_cancelled_is_told_the_truth() -> None:
    found = context(Collected())
    assert not found.cancelled
    found.cancelled.set()
    assert found.cancelled
