"""Whether the addresses of a local cluster are free, asked before any node is started."""

from collections.abc import Iterable

from coord.cli.processes import NodePlan
from coord.errors import Unavailable
from coord.node.free_port import is_free


def refuse_taken_ports(plans: Iterable[NodePlan]) -> None:
    """Bind every address for a moment.

    Raises:
        Unavailable: someone listens on one or more of them; names all.
    """
    addresses = [address for plan in plans for address in (plan.peer, plan.client)]
    taken = [address for address in addresses if not _is_free(address)]
    if taken:
        raise Unavailable(f"already in use: {', '.join(taken)}; choose another --base-port")


def _is_free(address: str) -> bool:
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    return is_free(host, int(port))
