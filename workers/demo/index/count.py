"""A second opinion on the corpus: files and terms counted directly, in one process, another way.

It shares no code with the workers' parser: no regular expression, no list of files, no batches.
"""

import fnmatch
import os
from collections.abc import Iterable
from pathlib import Path

from workers.demo.index.index import IndexSize
from workers.demo.index.keys import Root

_WORD = b"0123456789abcdefghijklmnopqrstuvwxyz_"
_FOLD = bytes(
    byte if byte in _WORD else byte + 32 if ord("A") <= byte <= ord("Z") else ord(" ")
    for byte in range(256)
)
_NOT_OURS = ("site-packages", "dist-packages", "__pycache__")
_HEAD_BYTES = 8 * 1024


def count_directly(roots: Iterable[Root]) -> IndexSize:
    """Walk the roots and count what an index of them must hold."""
    files = 0
    occurrences = 0
    terms: set[bytes] = set()
    for root in roots:
        for folder, folders, names in os.walk(root.path):
            folders[:] = [name for name in folders if name not in _NOT_OURS]
            for name in fnmatch.filter(names, root.pattern):
                path = Path(folder, name)
                text = path.read_bytes() if path.is_file() else b"\0"
                if 0 in text[:_HEAD_BYTES]:
                    continue
                words = text.translate(_FOLD).split()
                files += 1
                occurrences += len(words)
                terms.update(words)
    return IndexSize(files, len(terms), occurrences)
