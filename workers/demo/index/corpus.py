"""What is indexed: text files, in batches, as terms.

A term is a run of ASCII letters, digits and underscores, in lower case. Files are read as bytes
that stand for themselves, so that a file in any encoding, or broken on purpose, counts; one with
a zero byte near its beginning is no text and is left out.
"""

import re
import sysconfig
from pathlib import Path

from workers.demo.index.keys import Batch, Root

LEFT_OUT = frozenset({"site-packages", "dist-packages", "__pycache__"})
LOOK_BYTES = 8192
_TERM = re.compile(r"[A-Za-z0-9_]+")


def default_root() -> Root:
    """Return this Python's standard library, its source files."""
    return Root(sysconfig.get_path("stdlib"), "*.py")


def text_files(root: Root) -> list[str]:
    """List the text files of `root`, relative to it, sorted; installed packages left out."""
    folder = Path(root.path)
    found = (path.relative_to(folder) for path in folder.rglob(root.pattern))
    return sorted(
        path.as_posix()
        for path in found
        if LEFT_OUT.isdisjoint(path.parts) and _is_text(folder / path)
    )


def in_batches(build: str, roots: list[Root], batch_bytes: int, batches_max: int) -> list[Batch]:
    """Divide the files of all roots into runs of about `batch_bytes` each, in order.

    Args:
        build: what the batches belong to.
        roots: folders; a batch is of one of them.
        batch_bytes: of text in a batch; more where there would be more than `batches_max`.
        batches_max: about so many at most.
    """
    sizes = [
        (root, file, (Path(root.path) / file).stat().st_size)
        for root in roots
        for file in text_files(root)
    ]
    batch_bytes = max(batch_bytes, -(-sum(size for _, _, size in sizes) // batches_max))
    batches: list[Batch] = []
    filled_bytes = 0
    for root, file, size_bytes in sizes:
        if not batches or filled_bytes >= batch_bytes or batches[-1].root != root:
            batches.append(Batch(build, len(batches), root, []))
            filled_bytes = 0
        batches[-1].files.append(file)
        filled_bytes += size_bytes
    return batches


def terms_of(path: Path) -> list[str]:
    """Return the terms of one file, in order, repeated as they occur."""
    text = path.read_bytes().decode("ascii", errors="replace")
    return [term.lower() for term in _TERM.findall(text)]


def _is_text(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return b"\0" not in file.read(LOOK_BYTES)
