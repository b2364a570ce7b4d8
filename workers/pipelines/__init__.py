"""Pipelines: stages of jobs that wait for each other; what programs import.

    from workers.pipelines import Collect, ForEach, Pipeline, PipelineStore, Stage, listed, template

Names are imported when they are first used: a worker needs little of this.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workers.gates.conditions import AllOf as AllOf
    from workers.gates.conditions import AnyOf as AnyOf
    from workers.gates.conditions import Ended as Ended
    from workers.gates.conditions import Signal as Signal
    from workers.gates.conditions import Size as Size
    from workers.gates.conditions import Time as Time
    from workers.pipelines.errors import NothingToRetry as NothingToRetry
    from workers.pipelines.errors import PipelineEnded as PipelineEnded
    from workers.pipelines.errors import PipelineFailed as PipelineFailed
    from workers.pipelines.errors import PipelineRuns as PipelineRuns
    from workers.pipelines.errors import UnknownPipeline as UnknownPipeline
    from workers.pipelines.from_app import listed as listed
    from workers.pipelines.from_app import template as template
    from workers.pipelines.job_explaining import explain_job as explain_job
    from workers.pipelines.progress import GroupProgress as GroupProgress
    from workers.pipelines.progress import PipelineProgress as PipelineProgress
    from workers.pipelines.run import Run as Run
    from workers.pipelines.run import RunState as RunState
    from workers.pipelines.run import StageState as StageState
    from workers.pipelines.spec import Call as Call
    from workers.pipelines.spec import Collect as Collect
    from workers.pipelines.spec import ForEach as ForEach
    from workers.pipelines.spec import Pipeline as Pipeline
    from workers.pipelines.spec import Stage as Stage
    from workers.pipelines.store import PipelineStore as PipelineStore

_HOMES = {
    "AllOf": "workers.gates.conditions",
    "AnyOf": "workers.gates.conditions",
    "Call": "workers.pipelines.spec",
    "Collect": "workers.pipelines.spec",
    "Ended": "workers.gates.conditions",
    "ForEach": "workers.pipelines.spec",
    "GroupProgress": "workers.pipelines.progress",
    "Pipeline": "workers.pipelines.spec",
    "PipelineProgress": "workers.pipelines.progress",
    "PipelineStore": "workers.pipelines.store",
    "Run": "workers.pipelines.run",
    "RunState": "workers.pipelines.run",
    "Signal": "workers.gates.conditions",
    "Size": "workers.gates.conditions",
    "Stage": "workers.pipelines.spec",
    "StageState": "workers.pipelines.run",
    "Time": "workers.gates.conditions",
    "NothingToRetry": "workers.pipelines.errors",
    "PipelineEnded": "workers.pipelines.errors",
    "PipelineFailed": "workers.pipelines.errors",
    "PipelineRuns": "workers.pipelines.errors",
    "UnknownPipeline": "workers.pipelines.errors",
    "explain_job": "workers.pipelines.job_explaining",
    "listed": "workers.pipelines.from_app",
    "template": "workers.pipelines.from_app",
}

__all__ = sorted(_HOMES)  # one list of names is enough


def __getattr__(name: str) -> object:
    """Return a public name, imported now."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(home), name)
