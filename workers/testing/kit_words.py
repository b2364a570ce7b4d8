"""What the framework logs, given to the standard library's `logging` for the length of a block.

Unless the program has its own mind on structlog, that would print to standard output.
"""

import logging
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import structlog


@contextmanager
def words_to_logging() -> Iterator[None]:
    """Log through `logging`, to loggers named "workers", "steward"; as before afterwards."""
    if structlog.is_configured():
        yield
        return
    structlog.configure(
        processors=[_line],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=_logger,
    )
    try:
        yield
    finally:
        structlog.reset_defaults()


def _line(logger: Any, method: str, said: MutableMapping[str, Any]) -> str:
    event = str(said.pop("event", ""))
    return " ".join([event, *(f"{name}={value!r}" for name, value in said.items())])


def _logger(*names: Any) -> logging.Logger:
    return logging.getLogger(str(names[0]) if names else "workers")
