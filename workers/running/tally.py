"""What a worker counts of its own work, for whoever reads the last line it prints."""

from attrs import Factory, define

from workers.model.states import State
from workers.running.settling import Settled
from workers.running.verdict import End, PutBack, Retry, Verdict


@define
class Tally:
    """What a worker has done since it was started."""

    done: int = 0
    retried: int = 0
    snoozed: int = 0
    dead: int = 0
    cancelled: int = 0
    expired: int = 0
    stale: int = 0
    """Outcomes refused because the claim had ended: the job was in other hands by then."""
    sessions_lost: int = 0
    handed_back: list[str] = Factory(list)
    """Ids of the jobs put back into line when the worker was stopped."""

    @property
    def failed(self) -> int:
        """How many attempts came to nothing."""
        return self.retried + self.dead

    def count(self, job: str, verdict: Verdict, how: Settled, *, is_leaving: bool) -> None:
        """Count one settled job.

        Args:
            job: its id.
            verdict: what was to become of it.
            how: what became of it.
            is_leaving: the worker claims nothing more; what it puts back, it hands back.
        """
        if how is Settled.STALE:
            self.stale += 1
        elif how is Settled.CANCELLED:
            self.cancelled += 1
        elif isinstance(verdict, PutBack):
            if is_leaving:
                self.handed_back.append(job)
        elif isinstance(verdict, Retry):
            self.retried += 1
        elif isinstance(verdict, End):
            state = verdict.ending.state
            self.done += state is State.DONE
            self.dead += state is State.DEAD
            self.cancelled += state is State.CANCELLED
            self.expired += state is State.EXPIRED
        else:
            self.snoozed += 1
