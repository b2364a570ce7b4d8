"""What is indexed: Python source files, in batches, as terms.

A term is a run of ASCII letters, digits and underscores, in lower case. Files are read as bytes
that stand for themselves, so that a file in any encoding, or broken on purpose, counts.
"""

import re
import sysconfig
from pathlib import Path

LEFT_OUT = frozenset({"site-packages", "dist-packages", "__pycache__"})
_TERM = re.compile(r"[A-Za-z0-9_]+")


def default_corpus() -> Path:
    """Return where this Python keeps its standard library."""
    return Path(sysconfig.get_path("stdlib"))


def source_files(corpus: Path) -> list[str]:
    """List every *.py under `corpus`, relative to it, sorted; installed packages left out."""
    found = (path.relative_to(corpus) for path in corpus.rglob("*.py"))
    return sorted(
        path.as_posix()
        for path in found
        if LEFT_OUT.isdisjoint(path.parts) and (corpus / path).is_file()
    )


def in_batches(corpus: Path, files: list[str], batch_bytes: int) -> list[list[str]]:
    """Divide files into runs of about `batch_bytes` each, in order."""
    batches: list[list[str]] = []
    filled_bytes = batch_bytes
    for file in files:
        if filled_bytes >= batch_bytes:
            batches.append([])
            filled_bytes = 0
        batches[-1].append(file)
        filled_bytes += (corpus / file).stat().st_size
    return batches


def terms_of(path: Path) -> list[str]:
    """Return the terms of one file, in order, repeated as they occur."""
    text = path.read_bytes().decode("ascii", errors="replace")
    return [term.lower() for term in _TERM.findall(text)]
