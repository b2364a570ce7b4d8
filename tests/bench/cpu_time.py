"""Processor time and memory of other processes, as the kernel counts them (Linux)."""

import os
from collections.abc import Iterable
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return the processor time these processes have used so far, all threads together."""
    total_ticks = 0
    for pid in pids:
        fields = _stat(pid)
        total_ticks += int(fields[11]) + int(fields[12])
    return total_ticks / _TICKS_PER_S


def thread_seconds(pid: int) -> dict[int, float]:
    """Return the processor time of each thread of a process; the main one's id is `pid`."""
    used = {}
    for entry in Path(f"/proc/{pid}/task").iterdir():
        fields = (entry / "stat").read_text().rpartition(")")[2].split()
        used[int(entry.name)] = (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
    return used


def resident_bytes(pid: int) -> int:
    """Return how much memory a process holds now."""
    pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def children(pid: int, name: str) -> list[int]:
    """Return the children of a process that run a program whose name starts like this."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            parent = int(_stat(int(entry.name))[1])
            runs = (entry / "comm").read_text().strip()
        except OSError:
            continue  # it ended while we looked
        if parent == pid and runs.startswith(name):
            found.append(int(entry.name))
    return found


def _stat(pid: int) -> list[str]:
    # The second field is a name in brackets that may hold spaces; what follows is fixed.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
