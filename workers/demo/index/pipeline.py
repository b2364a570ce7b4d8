"""The index build as a pipeline: scan, parse in parallel, merge when all is there, publish.

The merge waits at a gate that opens when every batch has ended well. It and the publication go to
a queue that only the elected builder takes from.
"""

import msgspec

from workers.demo.index import keys
from workers.demo.index.keys import Root
from workers.gates.conditions import Ended
from workers.pipelines.spec import Call, Collect, ForEach, Pipeline, Stage

STAGES = ("scan", "parse", "merge", "publish")


def index_pipeline(roots: list[Root], directory: str) -> Pipeline:
    """Return the build of an index of `roots`, its files in the shared `directory`."""
    scan = Call("scan", {"roots": msgspec.to_builtins(roots)}, keys.QUEUE)
    shared: dict[str, object] = {"directory": directory}
    parse = ForEach("scan", Call("parse", shared, keys.QUEUE), "batch")
    merge = Collect(("parse",), Call("merge", shared, keys.BUILD_QUEUE), "partials")
    publish = Collect(("merge",), Call("publish", {}, keys.BUILD_QUEUE), "merged")
    return Pipeline(
        "index",
        (
            Stage("scan", jobs=(scan,), id_arg="build"),
            Stage("parse", for_each=parse),
            Stage("merge", collect=merge, gate=Ended("parse"), id_arg="build"),
            Stage("publish", collect=publish),
        ),
    )
