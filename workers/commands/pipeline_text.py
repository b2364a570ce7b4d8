"""Pipelines as text: a line, a row, or one document."""

from typing import Any

from workers.commands.job_text import when
from workers.commands.plain import plain
from workers.pipelines.explaining import PipelineExplanation
from workers.pipelines.run import Run, StageState

COLUMNS = ("id", "name", "state", "stages", "now", "started", "ended")


def run_row(pipeline: str, run: Run) -> tuple[object, ...]:
    """Return a pipeline as a row of a listing."""
    done = sum(stage.state is StageState.DONE for stage in run.stages.values())
    return (
        pipeline,
        run.name,
        run.state.value,
        f"{done}/{len(run.stages)}",
        " ".join(_at_work(run)) or run.cause,
        when(run.started_unix_ms),
        when(run.ended_unix_ms),
    )


def run_json(pipeline: str, run: Run) -> dict[str, Any]:
    """Return how far a pipeline is, for JSON."""
    return {"id": pipeline, **plain(run)}


def explanation_json(found: PipelineExplanation) -> dict[str, Any]:
    """Return everything known of a pipeline, for JSON."""
    stages = [_stage_json(plain(stage)) for stage in found.stages]
    return {**run_json(found.id, found.run), "stages": stages}


def _stage_json(stage: dict[str, Any]) -> dict[str, Any]:
    return {"name": stage.pop("name"), **stage.pop("run"), **stage}


def _at_work(run: Run) -> list[str]:
    states = (StageState.OPEN, StageState.RUNNING)
    return [name for name, stage in run.stages.items() if stage.state in states]
