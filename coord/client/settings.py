"""What can be chosen when a client is made, and how endpoints are found when none are named."""

import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Literal

import attrs

from coord import limits
from coord.client.channel import LoopDialer, new_dialer
from coord.errors import ErrorCode, Misuse, error_from

ReadFrom = Literal["any", "leader"]
"""Which node answers reads: one of them, kept to while it is well; or the one that leads."""

ENDPOINTS_VARIABLE = "COORD_ENDPOINTS"


def check_timeout(timeout_ms: object) -> None:
    """Refuse what is no time to wait for.

    Raises:
        Misuse: `timeout_ms` is no number above 0.
    """
    if not isinstance(timeout_ms, int | float) or not timeout_ms > 0:
        detail = f"timeout_ms {timeout_ms!r:.100}; a number of milliseconds above 0"
        raise error_from(ErrorCode.INVALID_OPTION, detail)


@attrs.frozen(kw_only=True)
class Settings:
    """How one client behaves.

    Attributes:
        endpoints: client addresses of some members; the others are learned. Empty: the embedded
            default of this machine.
        timeout_ms: how long a request may take, all attempts together.
        read_from: which node answers reads.
        attempt_ms: how long one attempt waits before the request is sent to another node too.
        retry_ms: the first pause after a refusal; doubled each time, with jitter, to retry_ms_max.
        retry_ms_max: the longest such pause.
        heartbeat_ms: how often a node with watches is asked for a sign of life.
        silence_ms: a node that owes an answer and says nothing for so long counts as lost.
        pending_max: requests waiting at once; more are refused as Unavailable.
        pending_bytes_max: bytes of requests waiting to be sent; likewise.
        make_dialer: opens the transport, when the client is first used.
        draw: returns a random int between two bounds, both included.
        clock_s: a clock in seconds that never goes back; the one its event loop's timers go by.
    """

    endpoints: tuple[str, ...] = ()
    timeout_ms: float = 10_000.0
    read_from: ReadFrom = "any"
    attempt_ms: float = 1_000.0
    retry_ms: float = 10.0
    retry_ms_max: float = 500.0
    heartbeat_ms: float = 1_000.0
    silence_ms: float = 3_000.0
    pending_max: int = 4 * limits.WRITER_PENDING_MAX
    pending_bytes_max: int = limits.PROPOSALS_BYTES_MAX
    make_dialer: Callable[[], LoopDialer] = new_dialer
    draw: Callable[[int, int], int]
    clock_s: Callable[[], float] = time.monotonic


def endpoints_from(
    given: str | Iterable[str] | None, environment: Mapping[str, str]
) -> tuple[str, ...]:
    """Return the addresses to connect to, in the order given and each once.

    Args:
        given: addresses, or one string of them separated by commas. A host and port without a
            scheme means tcp. None: look at COORD_ENDPOINTS.
        environment: where COORD_ENDPOINTS is looked up.

    Returns:
        Addresses with a scheme; none for "the embedded default".

    Raises:
        Misuse: an empty list or an empty address was given.
    """
    if given is None:
        named = environment.get(ENDPOINTS_VARIABLE, "")
        if not named.strip():
            return ()
        given = named
    parts = given.split(",") if isinstance(given, str) else list(given)
    if not all(isinstance(part, str) for part in parts):
        raise Misuse(f"addresses are str, got {given!r:.200}", ErrorCode.INVALID_OPTION)
    addresses = [part.strip() for part in parts]
    if not addresses or not all(addresses):
        raise Misuse(f"no address in {given!r}", ErrorCode.INVALID_OPTION)
    with_scheme = (a if "://" in a else f"tcp://{a}" for a in addresses)
    return tuple(dict.fromkeys(with_scheme))


def embedded_home(environment: Mapping[str, str]) -> Path:
    """Return the data directory of the embedded default: COORD_HOME, else in the XDG data home."""
    named = environment.get("COORD_HOME")
    if named:
        return Path(named)
    data_home = environment.get("XDG_DATA_HOME")
    base = Path(data_home) if data_home else Path(os.path.expanduser("~/.local/share"))
    return base / "coord"
