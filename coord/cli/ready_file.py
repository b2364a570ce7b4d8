"""The ready file of a local cluster: who runs where, for scripts to wait on and read.

Written to a temporary name and renamed, so that a reader finds all of it or nothing.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path

from coord.cli.processes import NodePlan


def ready_text(nodes: Iterable[tuple[NodePlan, int | None]], leader: str) -> str:
    """Return the file's content; a node that does not run has a null pid."""
    listed = [
        {"name": plan.name, "pid": pid, "client": plan.client, "peer": plan.peer}
        for plan, pid in nodes
    ]
    return json.dumps({"nodes": listed, "leader": leader}, indent=1) + "\n"


def write_ready_file(path: Path, text: str) -> None:
    """Put `text` at `path` at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    fresh.write_text(text)
    os.replace(fresh, path)
