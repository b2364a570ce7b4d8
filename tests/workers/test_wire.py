"""Messages over the pipes between a worker and its children."""

import io

import pytest

from workers.jobs import Failed, Finished
from workers.wire import (
    LENGTH_BYTES,
    MESSAGE_BYTES_MAX,
    ChildMessage,
    Loaded,
    Report,
    Run,
    body_bytes,
    pack,
    read_child_message,
    read_run,
)


@pytest.mark.parametrize(
    "message",
    [
        Loaded(),
        Report(1, 2, "a"),
        Finished(b'{"a": 1}'),
        Failed("why"),
        Failed("no", again=False),
    ],
)
def test_what_a_child_says_arrives_as_it_was(message: ChildMessage) -> None:
    packed = pack(message)
    assert body_bytes(packed[:LENGTH_BYTES]) == len(packed) - LENGTH_BYTES
    assert read_child_message(packed[LENGTH_BYTES:]) == message


def test_runs_are_read_one_after_another_until_the_pipe_closes() -> None:
    runs = [Run(str(number), "parse", 1, {"files": ["a"]}) for number in range(2)]
    pipe = io.BytesIO(b"".join(pack(run) for run in runs))
    assert [read_run(pipe), read_run(pipe), read_run(pipe)] == [*runs, None]


def test_a_run_cut_short_by_a_dead_worker_is_the_end() -> None:
    assert read_run(io.BytesIO(pack(Run("1", "parse", 1, {}))[:-1])) is None


def test_a_length_beyond_the_bound_is_refused() -> None:
    with pytest.raises(ValueError, match="bytes"):
        body_bytes((MESSAGE_BYTES_MAX + 1).to_bytes(4, "big"))
