"""GateStore: everything a program does with declared gates from outside.

Every change is one transaction; one whose answer is lost raises MaybeDone, and repeating it does no
harm, but that `open` and `shut` are then noted twice.
"""

from collections.abc import Callable

from attrs import frozen

from coord.client import ops
from coord.errors import ErrorCode, Refused
from coord.model import EventKind, KeyValue
from coord.requests import Compare, RangeReply, TxnOp
from recipes.errors import Contended
from recipes.port import KeyStore, next_batch, only
from workers.gates.errors import UnknownGate
from workers.gates.explaining import GateExplanation, explain
from workers.gates.gate import Gate, GatePlaces, GateState, Note, check_gate, decode, encode
from workers.gates.given import Given, encode_given
from workers.gates.history import forgetting, noting
from workers.gates.keeper import changing
from workers.model.names import check_name
from workers.model.places import Places
from workers.timer import Timer, WallTimer

TRIES_MAX = 100  # changes that others were faster with, before Contended is raised


@frozen
class Standing:
    """A gate as it stands; the keys are those read."""

    gate: Gate
    state: GateState
    spec_kv: KeyValue
    state_kv: KeyValue

    def guards(self) -> list[Compare]:
        """Return the conditions that it stands so still."""
        return [ops.modified(kv.key, "==", kv.mod_revision) for kv in (self.spec_kv, self.state_kv)]


class GateStore:
    """The gates of one space, through one client."""

    def __init__(
        self, client: KeyStore, places: Places | None = None, timer: Timer | None = None
    ) -> None:
        self._client = client
        self._places = GatePlaces(places or Places())
        self._timer = timer or WallTimer()

    async def set(self, gate: Gate, by: str = "") -> None:
        """Declare a gate, or set it anew: it is shut, and the signals given to it are gone.

        Args:
            gate: what it is.
            by: who sets it.

        Raises:
            Misuse: it can never open, or says nothing; names what is wrong.
            Contended: others kept changing it.
        """
        check_gate(gate)
        places, now_unix_ms = self._places, self._timer.now_unix_ms()
        for _ in range(TRIES_MAX):
            before = await self._find(gate.name)
            guards = [ops.missing(places.spec(gate.name))] if before is None else before.guards()
            openings = 0 if before is None else before.state.openings
            state = GateState(False, now_unix_ms, (), openings=openings)
            steps: list[TxnOp] = [
                ops.put(places.spec(gate.name), encode(gate)),
                ops.put(places.state(gate.name), encode(state)),
                ops.delete(places.signals(gate.name), prefix=True),
                noting(places, gate.name, Note(now_unix_ms, "set", _who(by))),
            ]
            if before is not None and before.gate.queue not in ("", gate.queue):
                steps.append(ops.delete(places.shut(before.gate)))
            if gate.queue:
                steps.append(ops.put(places.shut(gate), gate.note))
            steps += await forgetting(self._client, places, gate.name)
            if (await self._client.txn(guards, steps)).succeeded:
                return
        raise Contended

    async def list(self) -> list[tuple[Gate, GateState]]:
        """Return all gates and where they are, by name."""
        prefix = self._places.now
        reply = await self._client.get(prefix, prefix=True)
        kvs = {kv.key: kv for kv in reply.kvs}
        names = [key.removeprefix(prefix).split(b"/")[0].decode() for key in kvs]
        found = []
        for name in dict.fromkeys(names):
            standing = self._standing(
                kvs.get(self._places.spec(name)), kvs.get(self._places.state(name))
            )
            if standing is not None:
                found.append((standing.gate, standing.state))
        return found

    async def explain(self, name: str) -> GateExplanation:
        """Say where a gate is and what it waits for. Two round trips.

        Raises:
            UnknownGate: there is none.
        """
        found = await self._find_surely(name)
        now_unix_ms = self._timer.now_unix_ms()
        return await explain(self._client, self._places, found.gate, found.state, now_unix_ms)

    async def history(self, name: str) -> tuple[Note, ...]:
        """Return what happened to a gate, oldest first."""
        reply = await self._client.get(self._places.history(check_name("gate", name)), prefix=True)
        notes = (decode(kv.value, Note) for kv in reply.kvs)
        return tuple(note for note in notes if note is not None)

    async def signal(self, name: str, signal: str, message: str = "", by: str = "") -> None:
        """Give a signal to a gate; it stays given until the gate uses it up or is set anew.

        Args:
            name: the gate's.
            signal: its name, as the gate's condition says it.
            message: for whoever looks.
            by: who gives it.

        Raises:
            UnknownGate: there is none.
            Misuse: the signal's name is none.
        """
        now_unix_ms = self._timer.now_unix_ms()
        key = self._places.signals(name) + check_name("signal", signal).encode()
        note = Note(now_unix_ms, f"signal {signal}", (*_who(by), *((message,) if message else ())))
        reply = await self._client.txn(
            [ops.exists(self._places.spec(check_name("gate", name)))],
            [
                ops.put(key, encode_given(Given(now_unix_ms, by, message))),
                noting(self._places, name, note),
            ],
        )
        if not reply.succeeded:
            raise UnknownGate(f"no gate {name!r}")
        if old := await forgetting(self._client, self._places, name):
            await self._client.txn(success=old)

    async def withdraw(self, name: str, signal: str) -> bool:
        """Take a signal back; return whether it was given."""
        key = self._places.signals(check_name("gate", name)) + check_name("signal", signal).encode()
        reply = await self._client.txn([ops.exists(key)], [ops.delete(key)])
        return reply.succeeded

    async def open(self, name: str, by: str = "") -> None:
        """Open a gate by hand: it stays open until it is shut by hand or set anew.

        Raises:
            UnknownGate: there is none.
            Contended: others kept changing it.
        """
        await self._move(name, _opened_by(by))

    async def shut(self, name: str, by: str = "") -> None:
        """Shut a gate; what it waits for may open it again at once.

        Raises:
            UnknownGate: there is none.
            Contended: others kept changing it.
        """
        await self._move(name, _shut_by(by))

    async def remove(self, name: str) -> None:
        """Take a gate away, with its history; its queue is held shut by it no more.

        Raises:
            UnknownGate: there is none.
            Contended: others kept changing it.
        """
        places = self._places
        for _ in range(TRIES_MAX):
            found = await self._find_surely(name)
            steps: list[TxnOp] = [
                ops.delete(places.gate(name), prefix=True),
                ops.delete(places.history(name), prefix=True),
            ]
            if found.gate.queue:
                steps.append(ops.delete(places.shut(found.gate)))
            if (await self._client.txn(found.guards(), steps)).succeeded:
                return
        raise Contended

    async def wait(self, name: str) -> GateState:
        """Wait until a gate is open, by watch, and return how it came to be.

        Raises:
            UnknownGate: there is none, or it was taken away.
        """
        key = self._places.state(check_name("gate", name))
        while True:
            found = await self._find_surely(name)
            if found.state.is_open:
                return found.state
            try:
                opened = await self._opened_after(key, found.state_kv.mod_revision)
            except Refused as error:
                if error.code is not ErrorCode.COMPACTED:
                    raise
                continue
            if opened is not None:
                return opened

    async def _opened_after(self, key: bytes, revision: int) -> GateState | None:
        """Return how a gate came to be open; None where it was taken away first."""
        async with self._client.watch(key, start_revision=revision + 1) as watch:
            while True:
                for event in (await next_batch(watch)).events:
                    if event.kind is EventKind.DELETE:
                        return None
                    state = decode(event.kv.value, GateState)
                    if state is not None and state.is_open:
                        return state

    async def _move(self, name: str, move: Callable[[GateState, int], GateState]) -> None:
        for _ in range(TRIES_MAX):
            found = await self._find_surely(name)
            after = move(found.state, self._timer.now_unix_ms())
            steps = changing(self._places, found.gate, after)
            steps += await forgetting(self._client, self._places, name)
            if (await self._client.txn(found.guards(), steps)).succeeded:
                return
        raise Contended

    async def _find_surely(self, name: str) -> Standing:
        found = await self._find(name)
        if found is None:
            raise UnknownGate(f"no gate {name!r}")
        return found

    async def _find(self, name: str) -> Standing | None:
        places = self._places
        reply = await self._client.txn(
            success=[
                ops.get(places.spec(check_name("gate", name))),
                ops.get(places.state(name)),
            ]
        )
        spec, state = map(_only, reply.replies)
        return self._standing(spec, state)

    def _standing(self, spec: KeyValue | None, state: KeyValue | None) -> Standing | None:
        if spec is None or state is None:
            return None
        gate, at = decode(spec.value, Gate), decode(state.value, GateState)
        return None if gate is None or at is None else Standing(gate, at, spec, state)


def _opened_by(by: str) -> Callable[[GateState, int], GateState]:
    def opened(state: GateState, now_unix_ms: int) -> GateState:
        why = (f"by hand{f' of {by}' if by else ''}",)
        return GateState(True, now_unix_ms, why, by_hand=True, openings=state.openings + 1)

    return opened


def _shut_by(by: str) -> Callable[[GateState, int], GateState]:
    def shut(state: GateState, now_unix_ms: int) -> GateState:
        why = (f"by hand{f' of {by}' if by else ''}",)
        return GateState(False, now_unix_ms, why, openings=state.openings)

    return shut


def _who(by: str) -> tuple[str, ...]:
    return (f"by {by}",) if by else ()


def _only(answer: object) -> KeyValue | None:
    assert isinstance(answer, RangeReply), answer
    return only(answer)
