"""Random lives of a data directory against a plainly kept log.

Whatever is done, and wherever it crashes: what is found is what was acknowledged, or one of the
states that were under way.
"""

import contextlib
import errno
from random import Random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from coord.testing.disk import SimulatedCrash, SimulatedDisk
from coord.testing.log_driver import LogDriver, raw_snapshot
from coord.testing.logs import entry, meta, write

SEEDS = st.integers(0, 2**32)


class LogLife(RuleBasedStateMachine):
    """One directory, many processes on it."""

    def __init__(self) -> None:
        super().__init__()
        self.driver = LogDriver(SimulatedDisk())
        self.ticket = 0

    @initialize()
    def start(self) -> None:
        self.driver.open()

    @rule(
        back=st.integers(0, 5),
        count=st.integers(0, 6),
        size_bytes=st.sampled_from([1, 7, 60, 300, 900, 2500]),
        later=st.integers(0, 2),
        vote=st.sampled_from([0, 22, 33]),
    )
    def append(self, back: int, count: int, size_bytes: int, later: int, vote: int) -> None:
        model = self.driver.model
        assert self.driver.wal is not None
        floor = model.snapshot.index if model.snapshot is not None else 0
        first = max(floor, self.driver.wal.log.last_index - back) + 1
        term = model.hard_state.term + later
        entries = [entry(first + step, max(1, term), size_bytes) for step in range(count)]
        self.ticket += 1
        self.driver.write(write(self.ticket, *entries, term=term, vote=vote))

    @rule(back=st.integers(0, 8), chunks=st.lists(st.binary(max_size=700), min_size=1, max_size=4))
    def save(self, back: int, chunks: list[bytes]) -> None:
        index = self._snapshot_index(-back)
        self.driver.save(meta(index, term=self._snapshot_term()), *chunks)

    @rule(shift=st.integers(-8, 8), content=st.binary(max_size=300), keep=st.booleans())
    def install(self, shift: int, content: bytes, keep: bool) -> None:
        at = meta(self._snapshot_index(shift), term=self._snapshot_term())
        assert self.driver.install(at, raw_snapshot(at, content), keep)

    @rule(shift=st.integers(-8, 8), content=st.binary(max_size=300), seed=SEEDS)
    def install_damaged(self, shift: int, content: bytes, seed: int) -> None:
        luck = Random(seed)
        at = meta(self._snapshot_index(shift), term=self._snapshot_term())
        raw = bytearray(raw_snapshot(at, content))
        raw[luck.randrange(len(raw))] ^= 1 << luck.randrange(8)
        assert not self.driver.install_unchecked(at, bytes(raw), keep_suffix=False)

    @rule()
    def restart(self) -> None:
        assert self.driver.wal is not None
        self.driver.wal.close()
        self.driver.open()

    @rule(seed=SEEDS)
    def crash(self, seed: int) -> None:
        self.driver.disk.crash(Random(seed).randint)
        self.driver.open()

    @rule(call=st.integers(1, 12), seed=SEEDS, data=st.data())
    def crash_inside(self, call: int, seed: int, data: st.DataObject) -> None:
        disk = self.driver.disk
        disk.crash_at(call)
        with contextlib.suppress(SimulatedCrash):
            self._anything(data)
        disk.crash(Random(seed).randint)
        self.driver.open()

    @rule(
        call=st.integers(1, 12),
        error=st.sampled_from([errno.EIO, errno.ENOSPC]),
        forever=st.booleans(),
        power=st.booleans(),
        seed=SEEDS,
        data=st.data(),
    )
    def fail_inside(
        self, call: int, error: int, forever: bool, power: bool, seed: int, data: st.DataObject
    ) -> None:
        disk = self.driver.disk
        disk.fail(call, error, forever)
        with contextlib.suppress(OSError):
            self._anything(data)
        disk.kill()
        if power:
            disk.crash(Random(seed).randint)
        self.driver.open()

    def _anything(self, data: st.DataObject) -> None:
        """Append, save or install, with sizes that cross segments."""
        kind = data.draw(st.sampled_from(["append", "save", "install"]))
        size_bytes = data.draw(st.sampled_from([10, 600, 1800]))
        if kind == "append":
            self.append(data.draw(st.integers(0, 3)), 2, size_bytes, 1, 22)
            return
        at = meta(self._snapshot_index(data.draw(st.integers(-3, 3))), self._snapshot_term())
        content = bytes([data.draw(st.integers(0, 255))]) * size_bytes
        if kind == "save":
            self.driver.save(at, content)
        else:
            self.driver.install(at, raw_snapshot(at, content), data.draw(st.booleans()))

    def _snapshot_index(self, shift: int) -> int:
        assert self.driver.wal is not None
        model = self.driver.model
        floor = model.snapshot.index if model.snapshot is not None else 0
        return max(1, floor, self.driver.wal.log.last_index + shift)

    def _snapshot_term(self) -> int:
        """A new term for each, so that each meta is said of one content only."""
        return 1000 + len(self.driver.contents)


LogLife.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestLogLife = LogLife.TestCase
