"""Making a client from what the caller and the environment say."""

import os
import random
from collections.abc import Iterable
from typing import get_args

from coord.client.client import Client
from coord.client.settings import ReadFrom, Settings, check_timeout, endpoints_from
from coord.errors import ErrorCode, Misuse


def connect(
    endpoints: str | Iterable[str] | None = None,
    *,
    timeout_ms: float = 10_000.0,
    read_from: ReadFrom = "any",
) -> Client:
    """Make a client of a cluster, for the running event loop.

    Args:
        endpoints: client addresses of some members ("tcp://host:port", or "host:port"), as a list
            or separated by commas; the other members are learned. None: COORD_ENDPOINTS, else
            the embedded default of this machine, which is started when it does not run.
        timeout_ms: how long a request may take unless it says otherwise.
        read_from: "any" keeps to one node drawn at random, "leader" reads where writes go.

    Returns:
        A client to `await`, to enter with `async with`, or just to use: it connects by itself.

    Raises:
        Misuse: an address is empty or no str, `timeout_ms` is not above 0, or `read_from` is
            neither.
    """
    if read_from not in get_args(ReadFrom):
        allowed = " or ".join(get_args(ReadFrom))
        raise Misuse(f"read_from {read_from!r}; allowed: {allowed}", ErrorCode.INVALID_OPTION)
    check_timeout(timeout_ms)
    return Client(
        Settings(
            endpoints=endpoints_from(endpoints, os.environ),
            timeout_ms=timeout_ms,
            read_from=read_from,
            draw=random.SystemRandom().randint,
        )
    )
