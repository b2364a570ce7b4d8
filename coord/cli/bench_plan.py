"""What a load is: which requests, how many, of what size; the same for every process of it.

Keys spread consecutive numbers over the whole key space by a multiplicative hash, so that inserts
fall everywhere in the store's order.
"""

import json

import attrs

PREFIX = b"bench/"
WATCHED = PREFIX + b"w/"
STAMP_DIGITS = 20  # a watched value starts with the moment it was sent, in nanoseconds

_SPREAD = 0x9E3779B97F4A7C15  # odd, so no two numbers below 2**64 meet
_WORD = 2**64 - 1


@attrs.frozen(kw_only=True)
class LoadPlan:
    """One process's share of a load.

    `clients` and `total` are this process's own; `first` is the first of its `total` numbers.
    """

    op: str
    clients: int
    total: int
    first: int = 0
    key_bytes: int = 32
    value_bytes: int = 256
    keys: int = 10_000
    endpoints: tuple[str, ...] = ()
    timeout_ms: int = 10_000
    watch_total: int = 0
    """Writes that each watcher of this process must see; 0: it has no watchers."""

    def to_line(self) -> bytes:
        """Return the plan as one line of JSON."""
        return json.dumps(attrs.asdict(self)).encode() + b"\n"

    @staticmethod
    def from_line(line: bytes) -> "LoadPlan":
        """Read a plan back."""
        fields = json.loads(line)
        return LoadPlan(**{**fields, "endpoints": tuple(fields["endpoints"])})


def key_of(number: int, key_bytes: int) -> bytes:
    """Return the key that stands for a number; at least 22 bytes long."""
    return b"%s%016x" % (PREFIX, (number + 1) * _SPREAD & _WORD) + b"k" * (key_bytes - 22)


def split_plan(plan: LoadPlan, processes: int) -> list[LoadPlan]:
    """Divide a load among processes: clients and requests evenly, each at least one client."""
    processes = max(1, min(processes, plan.clients, plan.total))
    shares = []
    first = plan.first
    for place in range(processes):
        total = share_of(plan.total, processes, place)
        clients = share_of(plan.clients, processes, place)
        shares.append(attrs.evolve(plan, total=total, clients=clients, first=first))
        first += total
    return shares


def share_of(whole: int, parts: int, place: int) -> int:
    """Return the size of part number `place` when `whole` is divided evenly."""
    return whole * (place + 1) // parts - whole * place // parts
