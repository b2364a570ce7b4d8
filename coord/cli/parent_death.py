"""A child process that ends when its parent is gone, even by SIGKILL.

Linux keeps the promise through prctl(PR_SET_PDEATHSIG); elsewhere nothing happens, and the parent
must stop its children itself. The signal comes when the parent's *thread* that forked ends.
"""

import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent_pid: int, signal_number: int) -> None:
    """Ask the kernel to send this process `signal_number` when its parent dies.

    Args:
        parent_pid: who the parent was when it started us; if that is no longer our parent, it
            died before we could ask, and this process ends at once.
        signal_number: what to be sent.
    """
    if not sys.platform.startswith("linux"):
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent_pid:
        sys.exit(0)
