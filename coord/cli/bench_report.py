"""From times to a report: rate and latency of one load."""

from itertools import chain
from typing import Any

import attrs

from coord.cli.bench_processes import Share

NS_PER_MS = 1e6
NS_PER_S = 1e9


@attrs.frozen(kw_only=True)
class Report:
    """One load, measured. Latencies are of single requests, by the client's clock."""

    op: str
    clients: int
    processes: int
    total: int
    failed: int
    first_failure: str
    seconds: float
    per_second: float
    p50_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float

    def to_json(self) -> dict[str, Any]:
        """Return the report for JSON."""
        return attrs.asdict(self)

    def to_lines(self) -> list[str]:
        """Return the report for people."""
        noun = "events" if self.op == "watch" else "requests"
        lines = [
            f"{self.op}: {self.total} {noun}, {self.clients} clients, {self.processes} processes",
            f"  rate    {self.per_second:12,.0f} /s",
            f"  p50     {self.p50_ms:12.3f} ms",
            f"  p99     {self.p99_ms:12.3f} ms",
            f"  p99.9   {self.p999_ms:12.3f} ms",
            f"  max     {self.max_ms:12.3f} ms",
        ]
        if self.failed:
            lines.append(f"  failed  {self.failed:12,}    first: {self.first_failure}")
        return lines


def merge(op: str, clients: int, shares: list[Share], began_ns: int | None = None) -> Report:
    """Put the shares of one load together.

    Args:
        op: what was done.
        clients: how many were in flight in all.
        shares: at least one, with at least one time among them.
        began_ns: when the load began, if not with the first of these shares.
    """
    took_ns = sorted(chain.from_iterable(share.took_ns for share in shares))
    first_ns = min(share.began_ns for share in shares) if began_ns is None else began_ns
    seconds = (max(share.ended_ns for share in shares) - first_ns) / NS_PER_S
    failures = [share.first_failure for share in shares if share.first_failure]
    return Report(
        op=op,
        clients=clients,
        processes=len(shares),
        total=len(took_ns),
        failed=sum(share.failed for share in shares),
        first_failure=failures[0] if failures else "",
        seconds=seconds,
        per_second=len(took_ns) / seconds,
        p50_ms=_quantile_ms(took_ns, 0.5),
        p99_ms=_quantile_ms(took_ns, 0.99),
        p999_ms=_quantile_ms(took_ns, 0.999),
        max_ms=_quantile_ms(took_ns, 1.0),
    )


def _quantile_ms(sorted_ns: list[int], share: float) -> float:
    return sorted_ns[int(share * (len(sorted_ns) - 1))] / NS_PER_MS
