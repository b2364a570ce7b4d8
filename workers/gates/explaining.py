"""Why a gate is where it is: its condition part by part: value, target, since when, by whom."""

from collections.abc import Iterator

import msgspec

from recipes.port import KeyStore
from workers.gates.conditions import Verdict, time_text
from workers.gates.gate import Gate, GatePlaces, GateState
from workers.gates.looking import look


class GateExplanation(msgspec.Struct, frozen=True):
    """A gate at one moment.

    Attributes:
        gate: what it is.
        state: where it is, as last noted.
        verdict: whether its condition holds now, and why.
        ready: jobs in its queue that could be claimed if it were open.
        others: what else holds its queue shut.
    """

    gate: Gate
    state: GateState
    verdict: Verdict
    ready: int
    others: tuple[str, ...]

    def lines(self) -> Iterator[str]:
        """Yield it in words."""
        state = "open" if self.state.is_open else "shut"
        why = f": {'; '.join(self.state.by)}" if self.state.by else ""
        yield f"gate {self.gate.name} is {state} since {time_text(self.state.since_unix_ms)}{why}"
        if self.gate.note:
            yield f"note: {self.gate.note}"
        if self.gate.queue:
            holds = "lets queue" if self.state.is_open else "holds queue"
            end = "pass" if self.state.is_open else "shut"
            yield f"it {holds} {self.gate.queue} {end}, {self.ready} jobs ready"
        for other in self.others:
            yield f"queue {self.gate.queue} is also held shut by {other}"
        yield "it opens when"
        yield from self.verdict.lines(1)


async def explain(
    client: KeyStore, places: GatePlaces, gate: Gate, state: GateState, now_unix_ms: int
) -> GateExplanation:
    """Look at a gate's condition and at its queue."""
    sight = await look(client, places, gate, now_unix_ms)
    others: tuple[str, ...] = ()
    if gate.queue:
        prefix = places.space.queue(gate.queue).shut
        reply = await client.get(prefix, prefix=True)
        own = places.shut(gate)
        others = tuple(
            kv.key.removeprefix(prefix).decode(errors="replace")
            for kv in reply.kvs
            if kv.key != own
        )
    return GateExplanation(gate, state, sight.verdict, sight.ready, others)
