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
    listener = Listener(pipe.channel, pipe.take)
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


def test_the_end_of_the_pipe_is_told(pipe: Pipe) -> None:
    listener = Listener(pipe.channel, pipe.take)
    listener.begin()
    os.close(pipe.asks_fd)
    pipe.wait()
    assert pipe.taken == [None]
    listener.end()
    pipe.asks_fd = os.open(os.devnull, os.O_WRONLY)  # for the fixture to close
