"""Hooks: what an application does around every job; subclass, override, give to `App(hooks=...)`.

Hooks given first are outermost. What a hook raises is never passed over in silence; each says
where it ends.
"""

from contextlib import AbstractContextManager, nullcontext

from workers.app.call import Call
from workers.app.context import Context


class Hooks:
    """Does nothing; override what you need."""

    def before_enqueue(self, call: Call[object]) -> Call[object]:
        """Return the call to enqueue: this one, or another made from it (`attrs.evolve`).

        Runs where the job is enqueued, after its arguments were checked. What it raises reaches
        the enqueuer, and nothing is enqueued.
        """
        return call

    def around_run(self, context: Context) -> AbstractContextManager[object]:
        """Return what the function runs within, of async functions too: a trace, a log context.

        Runs where the job runs. What it raises is what the attempt raised.
        """
        return nullcontext()

    def after_end(self, context: Context, error: BaseException | None) -> None:
        """See that the function has ended; `error` is what it raised, if it did.

        Runs where the job ran, before the end is recorded: the attempt may yet turn out
        to be stale. What it raises is logged with the attempt and changes nothing.
        """
