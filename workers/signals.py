"""How a worker process takes TERM and Ctrl-C: the first asks, the second does not.

After the first it hands back what it holds and ends in order. After the second it ends at once:
its children die with it, its leases run out, and the cluster puts its jobs back in line.
"""

import asyncio
import os
import signal
from collections.abc import Callable


def stop_on_signal(stop: Callable[[], None]) -> None:
    """Call `stop` on the first TERM or INT of this process; exit on the second.

    To be called in a running event loop of the main thread.
    """
    asked = False

    def on_signal(number: signal.Signals) -> None:
        nonlocal asked
        if asked:
            os._exit(128 + number)
        asked = True
        stop()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
