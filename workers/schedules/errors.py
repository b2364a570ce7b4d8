"""What schedules raise beside the store's own errors. Each says that nothing was changed."""

from coord.errors import Refused
from workers.errors import DuplicateJob
from workers.model.ids import JobId


class UnknownSchedule(Refused):
    """There is no schedule of this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no schedule {name!r}")
        self.name = name


class ScheduleChanged(Refused):
    """It was edited since it was read; read it again."""

    def __init__(self, name: str, revision: int) -> None:
        super().__init__(f"schedule {name!r} was edited meanwhile, at revision {revision}")
        self.name = name
        self.revision = revision


class NothingToUndo(Refused):
    """There is no version before this one, or none of this number."""


class StillFilling(Refused):
    """The backfill before has not ended."""


class NotEnded(DuplicateJob):
    """The job a schedule enqueued before, `job_id`, has not ended; nothing was enqueued."""

    def __init__(self, name: str, job_id: JobId) -> None:
        super().__init__(job_id)
        self.args = (f"schedule {name!r}: its job before, {job_id}, has not ended",)
