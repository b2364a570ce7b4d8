"""How much memory this process uses, as far as the system tells."""

import os

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_ADDRESS_SPACE, _RESIDENT = 0, 1  # fields of statm, in pages; see proc(5)


def rss_bytes() -> int:
    """Return how much of it is in memory now; 0 where nobody can tell."""
    return _statm_bytes(_RESIDENT)


def address_space_bytes() -> int:
    """Return how much RLIMIT_AS counts now; 0 where nobody can tell."""
    return _statm_bytes(_ADDRESS_SPACE)


def _statm_bytes(field: int) -> int:
    try:
        with open("/proc/self/statm", "rb") as statm:
            return int(statm.read().split()[field]) * _PAGE_BYTES
    except (OSError, IndexError, ValueError):
        return 0
