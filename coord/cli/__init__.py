"""The command line: `coord serve`, `up`, `put`, `get`, `watch` and the rest."""

from coord.cli.main import main

__all__ = ["main"]
