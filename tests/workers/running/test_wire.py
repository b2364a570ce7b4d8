"""Messages between a worker and its children: whole, cut in pieces, too long."""

import struct

import pytest

from workers.running.wire import (
    MESSAGE_BYTES_MAX,
    Begin,
    Cancel,
    Failed,
    Finished,
    Frames,
    FromChild,
    Loaded,
    NotOurs,
    PutOff,
    Recall,
    Recalled,
    Report,
    Run,
    Spawned,
    ToChild,
    from_child,
    pack,
    to_child,
)

TO: list[ToChild] = [
    Begin(True, 4, True),
    Run(1, "q:5", 2, b"value"),
    Cancel(1, "why"),
    Recall(),
]
FROM: list[FromChild] = [
    Loaded({"f": "child"}),
    Report(1, 2, 3, "half"),
    Finished(1, 10, b"1", b"", "log", (Spawned("q", 4, b"job"),), 5),
    Failed(1, 10, "why", False, 5, "log", 7),
    PutOff(1, 10, 250),
    Recalled((1, 2)),
]


@pytest.mark.parametrize("message", TO)
def test_what_a_child_is_told_arrives_as_it_was_sent(message: ToChild) -> None:
    (body,) = Frames().feed(pack(message))
    assert to_child.decode(body) == message


@pytest.mark.parametrize("message", FROM)
def test_what_a_child_tells_arrives_as_it_was_sent(message: FromChild) -> None:
    (body,) = Frames().feed(pack(message))
    assert from_child.decode(body) == message


@pytest.mark.parametrize("step", [1, 3, 1000])
def test_messages_cut_into_pieces_are_put_together(step: int) -> None:
    stream = b"".join(map(pack, FROM))
    frames = Frames()
    pieces = (stream[at : at + step] for at in range(0, len(stream), step))
    bodies = [body for piece in pieces for body in frames.feed(piece)]
    assert [from_child.decode(body) for body in bodies] == FROM


def test_a_length_beyond_the_bound_is_not_waited_for() -> None:
    with pytest.raises(NotOurs, match="are allowed"):
        Frames().feed(struct.pack(">I", MESSAGE_BYTES_MAX + 1))
