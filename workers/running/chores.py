"""What the steward does, all of it: the chores of the framework's parts."""

from collections.abc import Sequence

from workers.gates.chore import GateChore
from workers.pipelines.chore import PipelineChore
from workers.schedules.chore import ScheduleChore
from workers.steward.admission import AdmissionChore
from workers.steward.chore import Chore
from workers.steward.due import DueChore
from workers.timer import Timer


def all_chores(timer: Timer) -> Sequence[Chore]:
    """Return every chore there is."""
    return (
        DueChore(timer),
        AdmissionChore(timer),
        GateChore(timer),
        PipelineChore(timer),
        ScheduleChore(timer),
    )
