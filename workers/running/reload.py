"""For development: notice by their times, once a second, that source files have changed."""

import asyncio
from collections.abc import Callable
from pathlib import Path

LOOK_S = 1.0
FILES_MAX = 10_000
_PASSED_OVER = {".git", ".venv", "venv", "node_modules", "__pycache__"}


async def call_on_change(folder: Path, changed: Callable[[], None]) -> None:
    """Call `changed` whenever a Python file below `folder` was changed, added or removed."""
    before = await asyncio.to_thread(times, folder)
    while True:
        await asyncio.sleep(LOOK_S)
        now = await asyncio.to_thread(times, folder)
        if now != before:
            before = now
            changed()


def times(folder: Path) -> dict[Path, int]:
    """Return when each Python file was last changed; of the first FILES_MAX."""
    found: dict[Path, int] = {}
    folders = [folder]
    while folders and len(found) < FILES_MAX:
        for path in sorted(folders.pop().iterdir()):
            if path.is_dir() and not path.is_symlink():
                if path.name not in _PASSED_OVER:
                    folders.append(path)
            elif path.suffix == ".py":
                try:
                    found[path] = path.stat().st_mtime_ns
                except FileNotFoundError:
                    continue  # gone since it was listed
    return found
