"""Who reads a child's pipe: the main thread while idle, the listener while a job runs."""

import os
import threading
from collections.abc import Iterator

import attrs
import pytest

from workers.running.channel import Channel
from workers.running.listener import Listener
from workers.running.wire import Cancel, Recall, ToChild, pack

DEADLINE_S = 10.0


@attrs.define
class Pipe:
    """A child's channel, its worker's end, and what a listener took."""

    channel: Channel
    asks_fd: int
    taken: list[ToChild | None] = attrs.Factory(list)
    news: threading.Semaphore = attrs.Factory(lambda: threading.Semaphore(0))

    def ask(self, message: ToChild) -> None:
        os.write(self.asks_fd, pack(message))

    def take(self, messages: list[ToChild] | None) -> None:
        self.taken += [None] if messages is None else messages
        self.news.release()

    def wait(self) -> None:
        assert self.news.acquire(timeout=DEADLINE_S)


def at_once(_duration_s: float) -> None:
    """Look again without a pause."""


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    asked_fd, asks_fd = os.pipe()
    answers_fd = os.open(os.devnull, os.O_WRONLY)
    made = Pipe(Channel(asked_fd, answers_fd), asks_fd)
    yield made
    for fd in (asked_fd, asks_fd, answers_fd):
        os.close(fd)


def test_it_reads_only_between_begin_and_end(pipe: Pipe) -> None:
    listener = Listener(pipe.channel, pipe.take)
    pipe.ask(Recall())
    assert pipe.channel.read() == [Recall()]
    listener.begin()
    pipe.ask(Cancel(7, "now"))
    pipe.wait()
    assert pipe.taken == [Cancel(7, "now")]
    listener.end()
    pipe.ask(Cancel(8, "later"))
    assert pipe.channel.read() == [Cancel(8, "later")]
    assert pipe.taken == [Cancel(7, "now")]


def test_it_can_begin_and_end_any_number_of_times(pipe: Pipe) -> None:
    listener = Listener(pipe.channel, pipe.take, at_once)
    seen: list[ToChild] = []
    for number in range(500):
        listener.begin()
        listener.begin()
        if number % 3 == 0:
            pipe.ask(Cancel(number, ""))
            pipe.wait()
        listener.end()
        if number % 3 == 1:
            pipe.ask(Cancel(number, ""))
            seen += pipe.channel.read() or []
    heard = [each.run for each in pipe.taken if isinstance(each, Cancel)]
    read = [each.run for each in seen if isinstance(each, Cancel)]
    assert (heard, read) == (list(range(0, 500, 3)), list(range(1, 500, 3)))


def test_it_reads_beside_a_job_that_runs_from_one_look_to_the_next(pipe: Pipe) -> None:
    paused, go_on = threading.Semaphore(0), threading.Semaphore(0)

    def pause(_duration_s: float) -> None:
        paused.release()
        go_on.acquire()

    def look() -> None:
        go_on.release()
        assert paused.acquire(timeout=DEADLINE_S)

    listener = Listener(pipe.channel, pipe.take, pause)
    listener.begin()
    assert paused.acquire(timeout=DEADLINE_S)
    pipe.ask(Recall())
    for _ in range(10):  # short ones: another runs at each look
        listener.end()
        listener.begin()
        look()
    assert pipe.taken == []
    go_on.release()
    pipe.wait()
    assert pipe.taken == [Recall()]
    listener.end()


def test_it_wakes_up_for_a_job_after_a_long_rest(pipe: Pipe) -> None:
    dozing = threading.Semaphore(0)

    class Telling(Listener):
        """One that tells when it goes to sleep."""

        def _doze(self) -> None:
            dozing.release()
            super()._doze()

    listener = Telling(pipe.channel, pipe.take, at_once)
    for number in range(3):
        assert dozing.acquire(timeout=DEADLINE_S)
        listener.begin()
        pipe.ask(Cancel(number, ""))
        pipe.wait()
        listener.end()
    assert len(pipe.taken) == 3


def test_the_end_of_the_pipe_is_told(pipe: Pipe) -> None:
    listener = Listener(pipe.channel, pipe.take)
    listener.begin()
    os.close(pipe.asks_fd)
    pipe.wait()
    assert pipe.taken == [None]
    listener.end()
    pipe.asks_fd = os.open(os.devnull, os.O_WRONLY)  # for the fixture to close
