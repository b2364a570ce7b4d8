"""How a worker process takes signals: TERM and Ctrl-C ask, the second and QUIT insist.

After the first, running jobs may end within the grace. After the second they are killed and handed
back. After the third it ends at once: its children die with it, its lease runs out, and the
cluster puts its jobs back in line.
"""

import asyncio
import os
import signal

from workers.running.notice import Notice, Urgency

INSISTING = 2  # signals that leave time to hand back; two sent at once come in either order


def give_notice_on_signals(notice: Notice) -> None:
    """Turn signals of this process into notice; in a running event loop of the main thread."""
    told = 0

    def on_signal(number: signal.Signals) -> None:
        nonlocal told
        told += 1
        if told > INSISTING:
            os._exit(128 + number)
        insists = number is signal.SIGQUIT or told == INSISTING
        notice.give(Urgency.NOW if insists else Urgency.STOP)

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        loop.add_signal_handler(number, on_signal, number)
