"""The blocking face: `PipelineStore(client)` with the blocking client, same methods, calls wait."""

from recipes.blocking import face
from workers.pipelines.store import PipelineStore as _PipelineStore

PipelineStore = face(_PipelineStore)
