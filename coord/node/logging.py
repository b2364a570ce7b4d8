"""The node's log: structured lines on standard error, one per event worth a person's eye.

Events that strangers can cause are limited to a few a second, so that nobody can fill a disk.
"""

import logging
import sys
from collections.abc import Mapping

import structlog

from coord.clock import Clock
from coord.node.intake import Report

_NOISY = frozenset({"frame refused", "stranger refused", "peer message refused"})
_NOISY_PER_SECOND_MAX = 5


def make_log(name: str, level: str, log_format: str) -> structlog.typing.FilteringBoundLogger:
    """Build the logger of one node.

    Args:
        name: the node's name, on every line.
        level: debug, info, warning or error.
        log_format: `json` for machines, `console` for people (no colour unless a terminal).
    """
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    log = structlog.wrap_logger(
        structlog.PrintLogger(sys.stderr),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
    )
    return log.bind(node=name)  # type: ignore[no-any-return]


def report_to(log: structlog.typing.FilteringBoundLogger, clock: Clock) -> Report:
    """Return a Report that writes to `log`, keeping what strangers can cause within bounds."""
    window_ms = 0.0
    count = 0

    def report(event: str, fields: Mapping[str, object]) -> None:
        nonlocal window_ms, count
        if event not in _NOISY:
            log.info(event, **fields)
            return
        now_ms = clock.now_ms()
        if now_ms - window_ms >= 1000:
            if count > _NOISY_PER_SECOND_MAX:
                log.warning("more were not logged", count=count - _NOISY_PER_SECOND_MAX)
            window_ms, count = now_ms, 0
        count += 1
        if count <= _NOISY_PER_SECOND_MAX:
            log.warning(event, **fields)

    return report
