"""Where a pipeline stands in the store (ID: 20 hexadecimal digits, in order of their start).

    pipeline/spec/ID               what it is; never changes                      value: Pipeline
    pipeline/jobs/ID/STAGE/aNNNN   its jobs where they are too many for the spec  value: Calls
    pipeline/jobs/ID/STAGE/sSEQ    jobs that other jobs added                     value: Calls
    pipeline/live/ID               how far it is, until it has ended              value: Run
    pipeline/live/ID/cancel        it shall end; why
    pipeline/live/ID/signal/NAME   a signal for its gates                         value: Given
    pipeline/ended/ID              how it ended                                   value: Run
    pipeline/forget/MS/ID          at that time nothing of it is kept any more
    pipeline/once/KEY/ID           the pipeline that was started under this key
    pipeline/draft/ID              being written, under its writer's lease

Its jobs are the groups "pipeline.ID.STAGE", see `workers.model.places`.
"""

from attrs import frozen

from workers.model.names import PIPELINE_GROUPS
from workers.model.places import Places

INLINE_PAGE = "a0000"  # the jobs that stand in the spec itself


@frozen
class PipelinePlaces:
    """The keys of all pipelines of a space."""

    space: Places

    @property
    def specs(self) -> bytes:
        """The prefix of all specs."""
        return self.space.pipelines + b"spec/"

    @property
    def live(self) -> bytes:
        """The prefix of those that have not ended."""
        return self.space.pipelines + b"live/"

    @property
    def ended(self) -> bytes:
        """The prefix of those that have."""
        return self.space.pipelines + b"ended/"

    @property
    def drafts(self) -> bytes:
        """The prefix of those being written."""
        return self.space.pipelines + b"draft/"

    @property
    def forget(self) -> bytes:
        """What is to be forgotten, soonest first."""
        return self.space.pipelines + b"forget/"

    def spec(self, pipeline: str) -> bytes:
        """Return the key of one spec."""
        return self.specs + pipeline.encode()

    def run(self, pipeline: str) -> bytes:
        """Return the key that says how far a living pipeline is."""
        return self.live + pipeline.encode()

    def cancel(self, pipeline: str) -> bytes:
        """Return the key that asks for its end."""
        return self.run(pipeline) + b"/cancel"

    def signal(self, pipeline: str, name: str) -> bytes:
        """Return the key of one signal."""
        return self.run(pipeline) + b"/signal/" + name.encode()

    def end(self, pipeline: str) -> bytes:
        """Return the key that says how a pipeline ended."""
        return self.ended + pipeline.encode()

    def forget_at(self, unix_ms: int, pipeline: str) -> bytes:
        """Return the key that has it forgotten."""
        return self.forget + b"%016x/" % unix_ms + pipeline.encode()

    def once(self, key: str) -> bytes:
        """Return the prefix under which stands the pipeline of a key."""
        return self.space.pipelines + b"once/" + key.encode() + b"/"

    def jobs(self, pipeline: str) -> bytes:
        """Return the prefix of all its jobs that are not in the spec."""
        return self.space.pipelines + b"jobs/" + pipeline.encode() + b"/"

    def pages(self, pipeline: str, stage: str) -> bytes:
        """Return the prefix of one stage's."""
        return self.jobs(pipeline) + stage.encode() + b"/"

    def groups(self, pipeline: str) -> bytes:
        """Return the prefix of the groups of its stages."""
        return self.space.groups + PIPELINE_GROUPS.encode() + pipeline.encode() + b"."


def group_of(pipeline: str, stage: str) -> str:
    """Return the group of a stage's jobs."""
    return f"{PIPELINE_GROUPS}{pipeline}.{stage}"


def stage_of(group: str) -> tuple[str, str] | None:
    """Return the pipeline and the stage a group is of; None where it is of none."""
    pipeline, dot, stage = group.removeprefix(PIPELINE_GROUPS).partition(".")
    return (pipeline, stage) if group.startswith(PIPELINE_GROUPS) and dot else None
