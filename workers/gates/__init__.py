"""Gates: conditions with a name that hold queues shut; what programs import.

    from workers.gates import AllOf, Gate, GateStore, QueueSize, Signal

Names are imported when they are first used.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workers.gates.conditions import AllOf as AllOf
    from workers.gates.conditions import AnyOf as AnyOf
    from workers.gates.conditions import JobThere as JobThere
    from workers.gates.conditions import QueueSize as QueueSize
    from workers.gates.conditions import Signal as Signal
    from workers.gates.conditions import Time as Time
    from workers.gates.errors import UnknownGate as UnknownGate
    from workers.gates.gate import Gate as Gate
    from workers.gates.gate import GateState as GateState
    from workers.gates.store import GateStore as GateStore

_HOMES = {
    "AllOf": "workers.gates.conditions",
    "AnyOf": "workers.gates.conditions",
    "Gate": "workers.gates.gate",
    "GateState": "workers.gates.gate",
    "GateStore": "workers.gates.store",
    "JobThere": "workers.gates.conditions",
    "QueueSize": "workers.gates.conditions",
    "Signal": "workers.gates.conditions",
    "Time": "workers.gates.conditions",
    "UnknownGate": "workers.gates.errors",
}

__all__ = sorted(_HOMES)  # one list of names is enough


def __getattr__(name: str) -> object:
    """Return a public name, imported now."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(home), name)
