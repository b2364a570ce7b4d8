"""The blocking face: `GateStore(client)` with the blocking client, same methods, calls wait."""

from recipes.blocking import face
from workers.gates.store import GateStore as _GateStore

GateStore = face(_GateStore)
