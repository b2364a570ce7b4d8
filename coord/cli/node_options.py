"""Options of one node that `serve` takes and `up` passes on to every node it starts."""

from collections.abc import Callable, Mapping
from typing import Any

import click

from coord import limits
from coord.config import AFFINITIES, LOG_FORMATS, LOG_LEVELS

_NUMBERS: tuple[tuple[str, int, str], ...] = (
    ("tick-ms", limits.TICK_MS, "Milliseconds of one tick of the node's clock."),
    ("heartbeat-ticks", limits.HEARTBEAT_TICKS, "Ticks between two heart-beats of a leader."),
    ("election-ticks", limits.ELECTION_TICKS, "Ticks without a leader before an election."),
    ("history-revisions", limits.HISTORY_REVISIONS, "Revisions of history kept; 0 keeps all."),
    ("snapshot-log-bytes", limits.SNAPSHOT_LOG_BYTES, "Log written before the next snapshot."),
    ("log-bytes-in-memory", limits.LOG_BYTES_IN_MEMORY, "Log kept at hand for slow followers."),
    ("disk-reserve-bytes", limits.DISK_RESERVE_BYTES, "Free space below which growth is refused."),
)

_NAMES = (*(name for name, _, _ in _NUMBERS), "log-level", "log-format", "affinity")


def tuning_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add every tuning option; each arrives as a keyword of NodeConfig's name."""
    options = [
        click.option(f"--{name}", type=int, default=default, show_default=True, help=words)
        for name, default, words in _NUMBERS
    ]
    options += [
        click.option(
            "--log-level",
            type=click.Choice(LOG_LEVELS),
            default="info",
            show_default=True,
            help="How much is logged.",
        ),
        click.option(
            "--log-format",
            type=click.Choice(LOG_FORMATS),
            default="console",
            show_default=True,
            help="Lines for people, or JSON for collectors.",
        ),
        click.option(
            "--affinity",
            type=click.Choice(AFFINITIES),
            default="auto",
            show_default=True,
            help="Keep all threads of the node on one processor, or leave it to the system.",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def as_arguments(tuning: Mapping[str, object]) -> list[str]:
    """Return the tuning options as `serve` takes them on its command line."""
    return [f"--{name}={tuning[name.replace('-', '_')]}" for name in _NAMES]
