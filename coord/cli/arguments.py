"""How keys, leases and times are typed on the command line.

Keys and values are bytes: whatever the shell hands over reaches the store unchanged.
"""

import os
from typing import Any

import click

from coord import limits


class BytesType(click.ParamType):  # type: ignore[type-arg]  # generic only in newer clicks
    """An argument taken as the bytes the shell gave."""

    name = "text"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> bytes:
        """Return the argument's bytes."""
        return value if isinstance(value, bytes) else os.fsencode(value)


class LeaseType(click.ParamType):  # type: ignore[type-arg]  # generic only in newer clicks
    """A lease id in hexadecimal, as every command shows it."""

    name = "lease id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the id."""
        if isinstance(value, int):
            return value
        try:
            lease = int(value, 16)
        except ValueError:
            self.fail(f"{value!r} is not a lease id; give its hexadecimal digits", param, ctx)
        if not 0 <= lease < 2**63:
            self.fail(f"{value!r} is not a lease id; at most 63 bits are allowed", param, ctx)
        return lease


class SecondsType(click.ParamType):  # type: ignore[type-arg]  # generic only in newer clicks
    """A time in seconds, decimals allowed, kept in milliseconds."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return milliseconds, at least 1."""
        if isinstance(value, int):
            return value
        try:
            time_ms = round(float(value) * 1000)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is not a number of seconds", param, ctx)
        if not 1 <= time_ms <= limits.LEASE_TTL_MS_MAX:
            highest = limits.LEASE_TTL_MS_MAX // 1000
            self.fail(f"{value!r} seconds: 0.001 to {highest} are allowed", param, ctx)
        return time_ms


BYTES = BytesType()
LEASE = LeaseType()
SECONDS = SecondsType()
REVISION = click.IntRange(min=0, max=2**63 - 1)
COUNT = click.IntRange(min=0, max=2**63 - 1)


def lease_text(lease: int) -> str:
    """Return a lease id as people type it."""
    return f"{lease:016x}"


def seconds_text(time_ms: int) -> str:
    """Return a time in seconds, without needless decimals."""
    return f"{time_ms / 1000:.3f}".rstrip("0").rstrip(".")
