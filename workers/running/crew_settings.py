"""How a worker's child processes are used."""

from attrs import field, frozen
from attrs.validators import ge, matches_re

APP_PATTERN = r"[\w.]+:\w+"


@frozen
class CrewSettings:
    """How a worker's children are used.

    Attributes:
        app: where the job functions are, "package.module:attribute".
        slots: jobs at a time, 1 to 1024.
        jobs_per_child_max: a child is replaced after so many jobs; 0 for never.
        child_memory_bytes_max: a child is replaced when it uses more than this after a job; 0 for
            never.
        child_memory_bytes_hard: a child cannot use more address space than this; 0 for any.
        cancel_grace_ms: how long a job that was asked to end may go on before it is killed.
    """

    app: str = field(validator=matches_re(APP_PATTERN))
    slots: int = field(default=1, validator=ge(1))
    jobs_per_child_max: int = field(default=0, validator=ge(0))
    child_memory_bytes_max: int = field(default=0, validator=ge(0))
    child_memory_bytes_hard: int = field(default=0, validator=ge(0))
    cancel_grace_ms: int = field(default=5_000, validator=ge(0))
