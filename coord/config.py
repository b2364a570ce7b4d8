"""What one node is told at its start: checked whole, at once, every fault reported together.

Reads no environment and no file. Numbers whose default is a bound of the product come from
`coord.limits`. Identities are derived from names, so that every member of a cluster computes the
same ones without asking anybody.
"""

import re
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path

import attrs

from coord import limits
from coord.errors import ErrorCode, Misuse
from coord.ids import ClusterId, NodeId

LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("console", "json")
AFFINITIES = ("auto", "none")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_TCP = re.compile(r"tcp://(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+|\*):(?P<port>\d{1,5})")
_IPC = re.compile(r"ipc://.+")
_WILDCARDS = ("*", "0.0.0.0", "[::]")
_ID_MASK = 2**63 - 1
_NUMBER_MAX = 2**50  # a petabyte, a thousand years of revisions: more is a slip of the finger


@attrs.frozen(kw_only=True)
class NodeConfig:
    """Settings of one node; making one checks them all.

    Raises:
        Misuse: one or more settings cannot work; the text names every fault and what is allowed.
    """

    name: str
    """This member's name, unique in the cluster and never reused for an emptied data folder."""
    data_dir: Path = attrs.field(converter=Path)
    listen_peer: str
    listen_client: str
    advertise_peer: str = attrs.field(
        default=attrs.Factory(lambda self: self.listen_peer, takes_self=True)
    )
    """Where the other members reach this one; differs from `listen_peer` behind wildcards."""
    advertise_client: str = attrs.field(
        default=attrs.Factory(lambda self: self.listen_client, takes_self=True)
    )
    initial_cluster: Mapping[str, str]
    """Name to peer address of every first member, this one included."""
    cluster_token: str = "coord"
    """Keeps clusters with equal member names apart."""
    tick_ms: int = limits.TICK_MS
    heartbeat_ticks: int = limits.HEARTBEAT_TICKS
    election_ticks: int = limits.ELECTION_TICKS
    history_revisions: int = limits.HISTORY_REVISIONS
    snapshot_log_bytes: int = limits.SNAPSHOT_LOG_BYTES
    log_bytes_in_memory: int = limits.LOG_BYTES_IN_MEMORY
    disk_reserve_bytes: int = limits.DISK_RESERVE_BYTES
    log_level: str = "info"
    log_format: str = "console"
    affinity: str = "auto"
    """`auto`: all threads of the node share one processor; `none`: the system decides."""

    def __attrs_post_init__(self) -> None:
        """Refuse what cannot work."""
        faults = [*_identity_faults(self), *_address_faults(self), *_number_faults(self)]
        if faults:
            raise Misuse("; ".join(faults), ErrorCode.INVALID_OPTION)

    @property
    def node_id(self) -> NodeId:
        """This member's number."""
        return member_id(self.name, self.cluster_token)

    @property
    def cluster(self) -> ClusterId:
        """The cluster's number."""
        return cluster_id(self.initial_cluster, self.cluster_token)

    def peer_addresses(self) -> dict[NodeId, str]:
        """Return node id to peer address of every first member, this one included."""
        return {
            member_id(name, self.cluster_token): address
            for name, address in sorted(self.initial_cluster.items())
        }


def member_id(name: str, token: str) -> NodeId:
    """Return the node id of the member `name`: positive, 63 bits, the same on every machine."""
    return NodeId(_positive_63_bits(b"member", token, name))


def cluster_id(initial_cluster: Mapping[str, str], token: str) -> ClusterId:
    """Return the cluster's id.

    Only names count, not addresses: a cluster that moves to other machines stays itself.
    """
    return ClusterId(_positive_63_bits(b"cluster", token, *sorted(initial_cluster)))


def parse_initial_cluster(text: str) -> dict[str, str]:
    """Read `n1=tcp://host:port,n2=tcp://host:port`.

    Raises:
        Misuse: not of that form, or a name or address twice; names every fault.
    """
    members: dict[str, str] = {}
    faults = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, equals, address = part.partition("=")
        if not equals or not name or not address:
            faults.append(f"{part!r} is not name=tcp://host:port")
        elif name in members:
            faults.append(f"member {name!r} is named twice")
        elif address in members.values():
            faults.append(f"address {address!r} is given twice")
        else:
            members[name] = address
    if not members and not faults:
        faults.append("no member given; allowed: n1=tcp://host:port,n2=tcp://host:port,...")
    if faults:
        raise Misuse("initial cluster: " + "; ".join(faults), ErrorCode.INVALID_OPTION)
    return members


def address_fault(label: str, address: str, *, reachable: bool) -> str | None:
    """Say what is wrong with an address, or None.

    Args:
        label: what the address is for; heads the text.
        address: `tcp://host:port` or `ipc://path`.
        reachable: others connect to it, so wildcards and port 0 will not do.
    """
    if _IPC.fullmatch(address):
        return None
    found = _TCP.fullmatch(address)
    if found is None or not 0 < int(found["port"]) <= 65535:
        return f"{label} {address!r} is not tcp://host:port with a port of 1 to 65535"
    if reachable and found["host"] in _WILDCARDS:
        return f"{label} {address!r} cannot be reached from elsewhere; name a host"
    return None


def _positive_63_bits(kind: bytes, *parts: str) -> int:
    digest = blake2b("\0".join(parts).encode(), digest_size=8, person=kind).digest()
    return int.from_bytes(digest) & _ID_MASK or 1


def _identity_faults(config: NodeConfig) -> list[str]:
    faults = [
        f"name {name!r}: allowed are up to 63 letters, digits, '.', '_', '-'"
        for name in dict.fromkeys((config.name, *config.initial_cluster))
        if not _NAME.fullmatch(name)
    ]
    if not config.cluster_token:
        faults.append("cluster token is empty")
    if config.name not in config.initial_cluster:
        known = ", ".join(sorted(config.initial_cluster)) or "nobody"
        faults.append(f"name {config.name!r} is not in the initial cluster ({known})")
    if config.data_dir.exists() and not config.data_dir.is_dir():
        faults.append(f"data dir {config.data_dir} is not a folder")
    return faults


def _address_faults(config: NodeConfig) -> list[str]:
    checks = [
        address_fault("listen-peer", config.listen_peer, reachable=False),
        address_fault("listen-client", config.listen_client, reachable=False),
        address_fault("advertise-peer", config.advertise_peer, reachable=True),
        address_fault("advertise-client", config.advertise_client, reachable=True),
    ]
    checks += [
        address_fault(f"initial cluster: {name}", address, reachable=True)
        for name, address in config.initial_cluster.items()
    ]
    faults = [fault for fault in checks if fault]
    if config.listen_peer == config.listen_client:
        faults.append(f"listen-peer and listen-client are both {config.listen_peer!r}")
    listed = config.initial_cluster.get(config.name, config.advertise_peer)
    if listed != config.advertise_peer:
        faults.append(
            f"initial cluster says {config.name}={listed}, advertise-peer is"
            f" {config.advertise_peer}; they must be equal"
        )
    return faults


def _number_faults(config: NodeConfig) -> list[str]:
    bounds = {
        "tick_ms": (1, 60_000),
        "heartbeat_ticks": (1, 3_600),
        "election_ticks": (3, 36_000),
        "history_revisions": (0, _NUMBER_MAX),
        "snapshot_log_bytes": (limits.MIB, _NUMBER_MAX),
        "log_bytes_in_memory": (limits.MIB, _NUMBER_MAX),
        "disk_reserve_bytes": (0, _NUMBER_MAX),
    }
    faults = [
        f"{name.replace('_', '-')} is {getattr(config, name)}; {least} to {most} are allowed"
        for name, (least, most) in bounds.items()
        if not least <= getattr(config, name) <= most
    ]
    if config.election_ticks <= 2 * config.heartbeat_ticks:
        faults.append(
            f"election-ticks ({config.election_ticks}) must be more than twice"
            f" heartbeat-ticks ({config.heartbeat_ticks})"
        )
    if config.log_level not in LOG_LEVELS:
        faults.append(f"log-level {config.log_level!r}: allowed are {', '.join(LOG_LEVELS)}")
    if config.log_format not in LOG_FORMATS:
        faults.append(f"log-format {config.log_format!r}: allowed are {', '.join(LOG_FORMATS)}")
    if config.affinity not in AFFINITIES:
        faults.append(f"affinity {config.affinity!r}: allowed are {', '.join(AFFINITIES)}")
    return faults
