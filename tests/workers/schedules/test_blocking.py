"""The blocking face of schedules, on a real client and node."""

from pathlib import Path

import pytest

import coord
from coord.testing.local_cluster import started_cluster
from workers.model.job import Job
from workers.schedules.blocking import ScheduleStore
from workers.schedules.errors import UnknownSchedule
from workers.schedules.values import Every, Schedule

pytestmark = pytest.mark.integration


def test_a_program_without_a_loop_edits_looks_and_undoes(tmp_path: Path) -> None:
    with started_cluster(tmp_path, nodes=1) as cluster, coord.connect(cluster.endpoints) as client:
        schedules = ScheduleStore(client)
        schedules.set(Schedule("s", Job("f"), Every(60_000)), by="ann")
        assert [each.schedule.name for each in schedules.list()] == ["s"]
        assert len(schedules.next("s", 3)) == 3
        schedules.pause("s")
        schedules.undo("s")
        assert not schedules.find("s").schedule.paused
        with pytest.raises(UnknownSchedule):
            schedules.run("t")
        name, schedule = next(schedules.changes())
        assert (name, schedule.rule) == ("s", Every(60_000))
