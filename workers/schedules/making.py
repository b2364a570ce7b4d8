"""A schedule from a call that was checked against its function."""

from typing import Any

import msgspec

from workers.schedules.values import Rule, Schedule
from workers.store.new import NewJob


def schedule_for(name: str, rule: Rule, new: NewJob, **settings: Any) -> Schedule:
    """Return a schedule that enqueues what `new` would, at each due time.

    Args:
        name: of the schedule.
        rule: when.
        new: the job; its options hold. One with a delay or a unique key is refused when it is set.
        settings: other fields of the schedule, by name.
    """
    job = new.job
    expires_ms = job.expires_unix_ms - job.created_unix_ms if job.expires_unix_ms else 0
    plain = msgspec.structs.replace(job, created_unix_ms=0, expires_unix_ms=0)
    return Schedule(
        name,
        plain,
        rule,
        **{"queue": new.queue, "priority": new.priority, "expires_ms": expires_ms, **settings},
    )
