"""The job framework: what applications import.

    from workers import App, Context

    app = App()

    @app.job(queue="mail")
    def send(ctx: Context, to: str) -> int: ...

Names are imported when they are first used: a command that only looks needs little of this.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workers.app.app import App as App
    from workers.app.call import Call as Call
    from workers.app.context import Context as Context
    from workers.app.control import Retry as Retry
    from workers.app.control import Snooze as Snooze
    from workers.app.handle import AsyncJobHandle as AsyncJobHandle
    from workers.app.handle import JobHandle as JobHandle
    from workers.app.hooks import Hooks as Hooks
    from workers.app.options import Unique as Unique
    from workers.errors import AppNotFound as AppNotFound
    from workers.errors import BadArguments as BadArguments
    from workers.errors import DuplicateJob as DuplicateJob
    from workers.errors import JobFailed as JobFailed
    from workers.errors import NotKept as NotKept
    from workers.errors import NotReplayable as NotReplayable
    from workers.errors import UnknownFunction as UnknownFunction
    from workers.errors import UnknownJob as UnknownJob
    from workers.model.ending import Ending as Ending
    from workers.model.ids import JobId as JobId
    from workers.model.job import Backoff as Backoff
    from workers.model.states import State as State
    from workers.running.errors import SoftLimitExceeded as SoftLimitExceeded
    from workers.store.found import Found as Found
    from workers.store.jobs import JobStore as JobStore

_HOMES = {
    "App": "workers.app.app",
    "AppNotFound": "workers.errors",
    "AsyncJobHandle": "workers.app.handle",
    "Backoff": "workers.model.job",
    "BadArguments": "workers.errors",
    "Call": "workers.app.call",
    "Context": "workers.app.context",
    "DuplicateJob": "workers.errors",
    "Ending": "workers.model.ending",
    "Found": "workers.store.found",
    "Hooks": "workers.app.hooks",
    "JobFailed": "workers.errors",
    "JobHandle": "workers.app.handle",
    "JobId": "workers.model.ids",
    "JobStore": "workers.store.jobs",
    "NotKept": "workers.errors",
    "NotReplayable": "workers.errors",
    "Retry": "workers.app.control",
    "Snooze": "workers.app.control",
    "SoftLimitExceeded": "workers.running.errors",
    "State": "workers.model.states",
    "Unique": "workers.app.options",
    "UnknownFunction": "workers.errors",
    "UnknownJob": "workers.errors",
}

__all__ = sorted(_HOMES)  # one list of names is enough


def __getattr__(name: str) -> object:
    """Return a public name, imported now."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(home), name)
