"""Does the simulator find what it is for? Mistakes are planted, and it must notice each.

Every one of these was made by some system in earnest. The number of seeds is several times what
the first finding took.
"""

from collections.abc import Callable
from typing import Any

import pytest

import coord.client.leases
import coord.client.packets
import coord.node.reads
import coord.node.streams
import coord.raft.leader
import coord.raft.promises
import coord.raft.quorum
import coord.raft.reads
import coord.raft.state
import coord.store.leases
import coord.store.once
import coord.testing.disk
import coord.testing.storage
from coord.ids import LogIndex
from coord.raft.messages import Membership, Message, Written
from coord.testing.campaign import Outcome, run_seed
from coord.testing.raft_campaign import run_raft_seed


def _first_failure(run: Callable[[int], Outcome], seeds: int) -> str:
    for seed in range(seeds):
        failure = run(seed).failure
        if failure:
            return failure
    return ""


def _rough(seed: int) -> Outcome:
    return run_raft_seed(seed, rough=True)


def test_votes_sent_before_they_are_durable_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    always = property(lambda _: True)
    monkeypatch.setattr(coord.raft.promises.Promises, "is_hard_durable", always)
    assert "vote that is not durable" in _first_failure(_rough, 5)


def test_entries_acknowledged_before_they_are_durable_are_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def send(self: coord.raft.state.State, message: Message, _index: int) -> None:
        self.send(message)

    monkeypatch.setattr(coord.raft.state.State, "send_when_durable", send)
    assert "match that is not durable" in _first_failure(_rough, 5)


def test_a_disk_that_says_durable_before_it_is_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    storage = coord.testing.storage.SimulatedStorage
    write = storage.write

    def hasty(self: Any, asked: Any) -> None:
        write(self, asked)
        self._answers.append(Written(asked.ticket))

    monkeypatch.setattr(storage, "write", hasty)
    assert "recovered" in _first_failure(run_seed, 20)


def test_a_sync_left_out_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def sync(self: Any) -> None:
        self._disk.enter("sync", self._name, self._life)

    monkeypatch.setattr(coord.testing.disk.SimulatedFile, "sync", sync)
    assert _first_failure(run_seed, 20)


def test_a_repeated_write_applied_again_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coord.store.once.Writer, "answer", lambda _self, _number: None)
    assert _first_failure(run_seed, 20)


def test_a_snapshot_that_forgets_writers_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    restored = coord.store.once.Writers.restored
    monkeypatch.setattr(coord.store.once.Writers, "restored", lambda _states: restored([]))
    assert _first_failure(run_seed, 20)


def test_a_renewal_without_effect_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def renew(self: Any, lease_id: int, _now_ms: int) -> int:
        lease = self.table.get(lease_id)
        return lease.ttl_ms if lease else 0

    monkeypatch.setattr(coord.store.leases.Leases, "renew", renew)
    assert _first_failure(run_seed, 20)


def test_a_read_served_before_its_index_is_applied_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ready = coord.node.reads.Reads.ready
    monkeypatch.setattr(
        coord.node.reads.Reads, "ready", lambda self, _applied: ready(self, LogIndex(1 << 60))
    )
    assert "real time" in _first_failure(run_seed, 20)


def test_a_client_that_says_not_done_when_it_cannot_know_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    never = property(lambda _: False)
    monkeypatch.setattr(coord.client.packets.Packet, "maybe_done", never)
    assert "not done" in _first_failure(run_seed, 20)


def test_a_client_that_trusts_its_lease_for_twice_its_time_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    renewed = coord.client.leases.LeaseKeeper.renewed

    def late(self: Any, kept: Any, sent_ms: float, ttl_ms: float) -> None:
        renewed(self, kept, sent_ms, ttl_ms)
        kept.ends_ms += ttl_ms

    monkeypatch.setattr(coord.client.leases.LeaseKeeper, "renewed", late)
    assert "session" in _first_failure(run_seed, 40)


def test_a_watch_that_skips_a_revision_when_it_falls_behind_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    streams = coord.node.streams.Streams
    fall_behind = streams._fall_behind

    def skip(self: Any, route: bytes, watches: list[int], first: int) -> None:
        fall_behind(self, route, watches, first + 1)

    monkeypatch.setattr(streams, "_fall_behind", skip)
    assert "reliable" in _first_failure(run_seed, 20)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_commit_by_counting_entries_of_older_terms_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Figure 8 of the paper."""

    def maybe_commit(self: coord.raft.leader.Leader) -> bool:
        state = self._state
        log = state.log
        index = coord.raft.quorum.commit_index(state.members.current, self._matches)
        if index > log.commit:
            self._uncommitted_bytes -= log.payload_bytes(log.commit + 1, index)
            log.commit_to(index)
            self._replication.send_commit()
            self._advance_reads()
        return True

    monkeypatch.setattr(coord.raft.leader.Leader, "_maybe_commit", maybe_commit)
    failure = _first_failure(lambda seed: run_raft_seed(seed, trickle=True), 1_500)
    assert "leader completeness" in failure or "has committed" in failure


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_reads_without_a_proof_of_leadership_are_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def proven(
        self: coord.raft.reads.ReadRounds, _members: Membership
    ) -> tuple[int, list[tuple[int, int]]]:
        askers, self._flying = self._flying, []
        return (self._index, askers) if askers else (0, [])

    monkeypatch.setattr(coord.raft.reads.ReadRounds, "take_proven", proven)
    assert "real time" in _first_failure(run_seed, 200)
