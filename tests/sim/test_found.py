"""What campaigns have found, kept: the worlds in which it showed, and what must come of them.

Seeds drift as the code around them changes, so each mistake has a test of its own as well, next
to the code that made it.
"""

import attrs
import pytest

from coord.frames import Batch, WriteFrame
from coord.requests import Compact, Put
from coord.store.machine import Store
from coord.testing.campaign import run_seed
from coord.testing.faults import Fault, Partition, Shape, Swarm
from coord.testing.world import World

FOUND = {
    2037: "the notice of compaction found a full queue and was lost: a watch waited forever",
    2292: "an entry compacted the revisions it made itself: every node with watches went down",
    2317: "as 2037",
    2336: "as 2037",
    20022: "a client's credit found a full queue and was never repeated: its watches starved",
}


@pytest.mark.parametrize("seed", FOUND)
def test_seeds_that_found_something_stay_quiet(seed: int) -> None:
    assert run_seed(seed).failure == ""


@pytest.mark.parametrize("seed", range(3))
def test_watches_behind_full_queues_are_all_told_of_compaction(seed: int) -> None:
    """Queues of two messages, thirty revisions of history, and clients hard to reach."""
    swarm = Swarm(
        fault_ms=2_500.0,
        loss=0.1,
        delay_mean_ms=8.0,
        client_queue=2,
        history_revisions=30,
        think_ms=5.0,
    )
    cut = Partition(Shape.ISOLATE, 0, 400.0, salt=1, clients=True)
    World(seed, swarm).run((Fault(600.0, cut), Fault(1_500.0, attrs.evolve(cut, target=1))))


def test_history_of_an_entry_that_compacts_itself_is_gone_not_broken() -> None:
    store = Store()
    frame = WriteFrame(1, 0, 1, (Put(b"k", b"1"), Put(b"k", b"2"), Compact(3)))
    applied = store.apply(1, Batch(0, (frame,)))
    assert (applied.first_revision, applied.last_revision) == (2, 3)
    assert [event.kv.value for (event,) in store.events(3, 3)] == [b"2"]
