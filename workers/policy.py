"""What to do about an attempt's outcome: a pure choice of the next step."""

from attrs import frozen

from workers.jobs import Failed, Outcome, Step


@frozen
class RetryPolicy:
    """How often a job is tried.

    Attributes:
        attempts_max: attempts before the job is buried; 1 to 1000. A claim is an attempt.
    """

    attempts_max: int = 5

    def step(self, outcome: Outcome, attempt: int) -> Step:
        """Choose the step that follows an attempt.

        Args:
            outcome: how the attempt ended.
            attempt: its number, from 1.
        """
        if not isinstance(outcome, Failed):
            return Step.COMPLETE
        if outcome.again and attempt < self.attempts_max:
            return Step.FAIL
        return Step.BURY
