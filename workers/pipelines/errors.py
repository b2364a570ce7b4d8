"""What pipelines raise beside the client's own errors. The refusals say that nothing was done."""

from coord.errors import CoordError, Refused


class UnknownPipeline(Refused):
    """There is no pipeline of this id; it may have been forgotten after its time."""


class PipelineEnded(Refused):
    """The pipeline has ended; nothing was changed."""


class PipelineRuns(Refused):
    """The pipeline has not ended; nothing was changed."""


class NothingToRetry(Refused):
    """Everything that was asked for has ended well; nothing was changed."""


class PipelineFailed(CoordError):
    """The pipeline awaited did not end well; says how it ended and why."""
