"""Gates that wait for gates: found out before one is declared that would wait for itself."""

from coord.client import ops
from coord.requests import Compare
from recipes.conditions import Condition, Opened, leaves
from recipes.errors import NeverOpens
from recipes.gate_records import Declared, decoded
from recipes.port import KeyStore, only


async def check_cycle(client: KeyStore, name: str, condition: Condition) -> list[Compare]:
    """Follow what a gate called `name` would wait for, gate by gate.

    Returns:
        Conditions under which the finding holds, for the transaction that declares the gate.

    Raises:
        NeverOpens: it would wait for itself.
    """
    unchanged: list[Compare] = []
    paths: list[tuple[str, ...]] = [(name, gate) for gate in _gates(condition)]
    seen: set[str] = set()
    while paths:
        *before, gate = paths.pop()
        if gate == name:
            raise NeverOpens(f"a gate that waits for itself: {' > '.join((*before, gate))}")
        if gate in seen:
            continue
        seen.add(gate)
        key = gate + "/declared"
        found = only(await client.get(key))
        unchanged.append(ops.modified(key, "==", found.mod_revision if found else 0))
        declared = decoded(found, Declared)
        if declared is not None:
            paths += [(*before, gate, further) for further in _gates(declared.condition)]
    return unchanged


def _gates(condition: Condition) -> list[str]:
    return [leaf.gate for leaf in leaves(condition) if isinstance(leaf, Opened)]
