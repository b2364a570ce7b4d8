"""A call of a job that has been checked and not yet enqueued."""

from typing import Any, Generic, TypeVar

from attrs import frozen

from workers.app.building import new_job
from workers.app.options import JobOptions
from workers.store.new import NewJob

R_co = TypeVar("R_co", covariant=True)


@frozen
class Call(Generic[R_co]):
    """What `enqueue_many` and `Context.spawn` take.

    Attributes:
        name: of the job function.
        args: in plain form, checked.
        options: how it is treated.
        returns: what the function is annotated to return.
    """

    name: str
    args: dict[str, object]
    options: JobOptions
    returns: Any = Any

    def new_job(self, now_unix_ms: int) -> NewJob:
        """Return what is enqueued now.

        Raises:
            BadArguments, Misuse: see `building.new_job`.
        """
        return new_job(self.name, self.options, self.args, now_unix_ms)
