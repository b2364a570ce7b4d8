"""A doctor's report: as lines, as one document, and as an archive to hand to somebody.

Without `with_values` nothing of users' data is in it: no arguments, results, causes, messages or
reasons; names of queues, jobs, limits, schedules, pipelines, workers and members are.
"""

import io
import json
import platform
import sys
import tarfile
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import msgspec

from coord.version import VERSION
from workers.overview.facts import Facts, QueueFacts
from workers.overview.findings import Finding, is_healthy
from workers.overview.text import as_json, member_json
from workers.overview.values import Rates
from workers.store.found import Found

PACKAGES = ("attrs", "click", "cronsim", "msgspec", "pyzmq", "rich", "structlog", "uvloop")
FOLDER = "coord-doctor"


def lines(found: Sequence[Finding], *, with_values: bool) -> Iterator[str]:
    """Yield the findings as people read them."""
    for finding in found:
        yield f"{finding.severity.value:8} {finding.about}: {finding.text}"
        if with_values:
            yield from (f"{'':9}{line}" for line in finding.detail.splitlines())
    yield "nothing is wrong" if is_healthy(list(found)) else f"{len(found)} findings"


def document(
    facts: Facts, found: Sequence[Finding], endpoints: str | None, *, with_values: bool
) -> dict[str, Any]:
    """Return everything, for JSON."""
    overview = None
    if facts.overview is not None:
        overview = as_json(facts.overview, Rates({}, {}))
        del overview["members"]
        if not with_values:
            _without_words(overview)
    return {
        "unix_ms": facts.unix_ms,
        "healthy": is_healthy(list(found)),
        "findings": [_finding_json(finding, with_values=with_values) for finding in found],
        "here": here(endpoints),
        "members": [member_json(member) for member in facts.members],
        "trouble": facts.trouble,
        "read_ms": [round(each, 3) for each in facts.read_ms],
        "keys": facts.counts,
        "due_unix_ms": facts.due_unix_ms,
        "overview": overview,
        "queues": [_queue_json(queue, with_values=with_values) for queue in facts.queues],
        "limits": [
            {
                "name": limit.name,
                "rule": None if limit.rule is None else msgspec.to_builtins(limit.rule),
                "admitted": limit.admitted,
                "waiting": limit.waiting_count,
                "room": limit.room,
            }
            for limit in facts.limits
        ],
    }


def here(endpoints: str | None) -> dict[str, Any]:
    """Return what this program runs on."""
    return {
        "version": VERSION,
        "python": sys.version,
        "platform": platform.platform(),
        "machine": platform.machine(),
        "host": platform.node(),
        "endpoints": endpoints or "",
        "packages": {name: _version(name) for name in PACKAGES},
    }


def write_archive(path: Path, text: Sequence[str], report: dict[str, Any]) -> None:
    """Write report.txt and one file for each part of the document into a .tar.gz.

    Raises:
        OSError: it cannot be written there.
    """
    with tarfile.open(path, "w:gz") as archive:
        _add(archive, "report.txt", "\n".join(text) + "\n", report["unix_ms"])
        for name, part in report.items():
            if isinstance(part, dict | list):
                written = json.dumps(part, indent=1, sort_keys=True) + "\n"
                _add(archive, f"{name}.json", written, report["unix_ms"])


def _add(archive: tarfile.TarFile, name: str, text: str, unix_ms: int) -> None:
    data = text.encode()
    entry = tarfile.TarInfo(f"{FOLDER}/{name}")
    entry.size, entry.mtime, entry.mode = len(data), unix_ms // 1000, 0o644
    archive.addfile(entry, io.BytesIO(data))


def _finding_json(finding: Finding, *, with_values: bool) -> dict[str, str]:
    said = {
        "severity": finding.severity.value,
        "about": finding.about,
        "text": finding.text,
    }
    return said | ({"detail": finding.detail} if with_values else {})


def _queue_json(queue: QueueFacts, *, with_values: bool) -> dict[str, Any]:
    told: dict[str, Any] = {
        "name": queue.view.name,
        "counts": {state.value: count for state, count in queue.view.counts.items()},
        "shut_by": sorted(queue.view.shut),
        "limit": queue.view.limit,
        "served_by": list(queue.served_by),
        "oldest": None if queue.oldest is None else _job_json(queue.oldest, with_values),
        "dead": [_job_json(found, with_values) for found in queue.dead],
    }
    return told


def _job_json(found: Found, with_values: bool) -> dict[str, Any]:
    told: dict[str, Any] = {
        "id": str(found.id),
        "name": found.name,
        "attempt": found.attempt,
        "created_unix_ms": found.created_unix_ms,
    }
    if with_values:
        told["job"] = None if found.job is None else repr(found.job)
        told["ending"] = None if found.ending is None else repr(found.ending)
    return told


def _without_words(overview: dict[str, Any]) -> None:
    """Take out what people and jobs wrote."""
    for progress in overview["progress"].values():
        progress["message"] = ""
    for queue in overview["queues"]:
        queue["shut"] = sorted(queue["shut"])
    for run in overview["pipelines"]:
        run.pop("cause", None)
        for stage in run["stages"].values():
            stage.pop("cause", None)
            stage.pop("opened_by", None)
    for worker in overview["workers"]:
        worker.pop("tags", None)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
