"""Where requests go: which nodes there are, which answer, who leads.

Nothing is sent to a node before it has greeted back on the standing connection, so that a request
nobody could take is known not to have happened. All addresses given are connected from the start;
a member learned from others only when it leads, is drawn for reads, or no known node answers.
"""

from collections.abc import Callable
from typing import Protocol

import attrs

from coord import limits
from coord.client.settings import Settings
from coord.codec import client_frames
from coord.frames import PROTOCOL_VERSION, AnswerCredit, Hello, HelloReply

CREDIT_STEP_BYTES = limits.ANSWER_WINDOW_BYTES // 8  # told this often


class Wire(Protocol):
    """What the core needs of the outside: connections by address. Nothing here calls back."""

    def open(self, address: str) -> None:
        """Start connecting; told by `ClientCore.linked` when it stands."""
        ...

    def close_channel(self, address: str) -> None:
        """Drop the connection and what is in flight on it."""
        ...

    def send(self, address: str, payload: bytes) -> bool:
        """Queue one message; never blocks. False: nothing was queued."""
        ...


@attrs.define(eq=False)
class Endpoint:
    """One address and how it does."""

    address: str
    given: bool
    node: int = 0
    dialled: bool = False
    linked: bool = False
    ready: bool = False
    owing_since_ms: float | None = None
    """When it was greeted first since it was heard last."""
    greeted_ms: float = 0.0
    leaderless_since_ms: float | None = None
    """Since when it says that it knows no leader."""
    shunned_until_ms: float = 0.0
    untold_bytes: int = 0
    """Answers taken on this connection, of which the node has not been told."""


class Routes:
    """All endpoints, and the best guess at who leads."""

    def __init__(self, settings: Settings, wire: Wire) -> None:
        self._settings = settings
        self._wire = wire
        self._endpoints: dict[str, Endpoint] = {}
        self._cluster = 0
        self._term = 0
        self._turn = settings.draw(0, 1023)
        self._home = ""
        self._unreachable_since_ms: float | None = None
        self.leader = 0
        for address in settings.endpoints:
            self._endpoints[address] = Endpoint(address, given=True)

    @property
    def cluster(self) -> int:
        """The cluster's id; 0 before the first greeting."""
        return self._cluster

    def addresses(self) -> list[str]:
        """Every known address, given ones first."""
        return list(self._endpoints)

    def add(self, address: str) -> None:
        """Add an address the caller names, and connect to it."""
        endpoint = self._endpoints.setdefault(address, Endpoint(address, given=True))
        self._dial(endpoint)

    def start(self, now_ms: float) -> None:
        """Connect to every given address."""
        self._unreachable_since_ms = now_ms
        for endpoint in self._endpoints.values():
            self._dial(endpoint)

    # --- news of connections ---

    def linked(self, address: str, now_ms: float) -> None:
        """Note that a connection stands, and greet."""
        endpoint = self._endpoints.get(address)
        if endpoint is not None:
            endpoint.linked = True
            endpoint.untold_bytes = 0
            endpoint.ready = False
            endpoint.owing_since_ms = None
            self._greet(endpoint, now_ms)

    def unlinked(self, address: str, now_ms: float) -> None:
        """Note that a connection is gone."""
        endpoint = self._endpoints.get(address)
        if endpoint is not None:
            endpoint.linked = False
            endpoint.ready = False
            self._note_reach(now_ms)

    def heard(self, address: str) -> None:
        """Note a sign of life."""
        endpoint = self._endpoints.get(address)
        if endpoint is not None:
            endpoint.owing_since_ms = None

    def took(self, address: str, size_bytes: int) -> None:
        """Count an answer that arrived; the node, which owes so much at most, is told in steps."""
        endpoint = self._endpoints.get(address)
        if endpoint is None:
            return
        endpoint.untold_bytes += size_bytes
        if endpoint.untold_bytes >= CREDIT_STEP_BYTES:
            credit = AnswerCredit(endpoint.untold_bytes)
            if self._wire.send(address, client_frames.encode(credit)):
                endpoint.untold_bytes = 0

    def greeted(self, address: str, reply: HelloReply, now_ms: float) -> bool:
        """Take a greeting in.

        Returns:
            Whether the node became ready by it. A node of another cluster never does.
        """
        endpoint = self._endpoints.get(address)
        if endpoint is None or not endpoint.linked:
            return False
        if self._cluster not in (0, reply.cluster):
            self.shun(address, now_ms + self._settings.silence_ms)
            return False
        self._cluster = reply.cluster
        became_ready = not endpoint.ready
        endpoint.ready = True
        endpoint.node = reply.node
        endpoint.leaderless_since_ms = (
            None if reply.leader else endpoint.leaderless_since_ms or now_ms
        )
        self._unreachable_since_ms = None
        self._learn_members(reply)
        if reply.term >= self._term and reply.leader:
            self._term = reply.term
            self.believe(reply.leader)
        if not self._home:
            self._settle(now_ms)
        return became_ready

    def believe(self, leader: int) -> None:
        """Take `leader` for the leading node; 0 changes nothing."""
        if leader and leader != self.leader:
            self.leader = leader
            endpoint = self._of_node(leader)
            if endpoint is not None:
                self._dial(endpoint)

    def doubt(self, address: str) -> None:
        """Forget the leader if it is the node at `address`: it just said it is not."""
        endpoint = self._endpoints.get(address)
        if endpoint is not None and endpoint.node == self.leader:
            self.leader = 0

    def shun(self, address: str, until_ms: float) -> None:
        """Prefer other nodes until then."""
        endpoint = self._endpoints.get(address)
        if endpoint is not None:
            endpoint.shunned_until_ms = max(endpoint.shunned_until_ms, until_ms)

    # --- choices ---

    def is_ready(self, address: str) -> bool:
        """Whether the node there has greeted on the standing connection."""
        endpoint = self._endpoints.get(address)
        return endpoint is not None and endpoint.ready

    def for_writes(self, now_ms: float, avoid: str = "") -> str:
        """Return where a write should go; "" when no node is ready.

        Args:
            now_ms: the time now.
            avoid: an address not to use if there is any other: it failed just now.
        """
        if self.leader:
            leading = self._of_node(self.leader)
            if leading is not None and leading.address != avoid and self._is_good(leading, now_ms):
                return leading.address
        return self._any(now_ms, avoid)

    def for_reads(self, now_ms: float, avoid: str = "") -> str:
        """Return where a read or watch should go; "" when no node is ready."""
        if self._settings.read_from == "leader":
            return self.for_writes(now_ms, avoid)
        home = self._endpoints.get(self._home)
        if home is not None and home.address != avoid and self._is_good(home, now_ms):
            return home.address
        chosen = self._any(now_ms, avoid)
        if chosen and (home is None or not home.linked):
            self._home = chosen  # stay with it, rather than wander with every request
        return chosen

    def _any(self, now_ms: float, avoid: str) -> str:
        ready = [e for e in self._endpoints.values() if e.ready]
        others = [e for e in ready if e.address != avoid] or ready
        good = [e for e in others if e.shunned_until_ms <= now_ms] or others
        if not good:
            return ""
        self._turn += 1
        return good[self._turn % len(good)].address

    def _is_good(self, endpoint: Endpoint, now_ms: float) -> bool:
        return endpoint.ready and endpoint.shunned_until_ms <= now_ms

    def _settle(self, now_ms: float) -> None:
        """Draw the node to read from, so that many clients spread over all nodes."""
        candidates = list(self._endpoints.values())
        home = candidates[self._settings.draw(0, len(candidates) - 1)]
        self._home = home.address
        self._dial(home)

    # --- time ---

    def tick(self, now_ms: float, watched: Callable[[str], bool]) -> list[str]:
        """Greet where an answer is missing or a sign of life is due.

        Args:
            now_ms: the time now.
            watched: whether watches live at an address, so that its silence matters.

        Returns:
            Addresses that owe a sign of life for too long; each was closed and is being opened
            anew, and counts as unlinked.
        """
        silent = []
        for endpoint in list(self._endpoints.values()):
            if not endpoint.linked:
                continue
            if not endpoint.ready:
                self._greet_after(endpoint, self._settings.heartbeat_ms / 2, now_ms)
            elif watched(endpoint.address):
                owing_ms = now_ms - (endpoint.owing_since_ms or now_ms)
                if owing_ms > self._settings.silence_ms:
                    silent.append(endpoint.address)
                    self.reopen(endpoint.address, now_ms)
                else:
                    self._greet_after(endpoint, self._settings.heartbeat_ms, now_ms)
        self._widen(now_ms)
        return silent

    def cut_off(self, now_ms: float, watched: Callable[[str], bool]) -> list[str]:
        """Return watched addresses that know no leader for long, while another node knows one.

        Such a node answers, but learns nothing new: watches do better elsewhere. The others are
        greeted meanwhile, to learn how they do.
        """
        found = []
        for endpoint in self._endpoints.values():
            since_ms = endpoint.leaderless_since_ms
            if since_ms is None or not endpoint.ready or not watched(endpoint.address):
                continue
            others = [e for e in self._endpoints.values() if e.ready and e is not endpoint]
            for other in others:
                self._greet_after(other, self._settings.heartbeat_ms, now_ms)
            led = any(other.leaderless_since_ms is None for other in others)
            if led and now_ms - since_ms > self._settings.silence_ms:
                self.shun(endpoint.address, now_ms + self._settings.silence_ms)
                found.append(endpoint.address)
        return found

    def reopen(self, address: str, now_ms: float) -> None:
        """Drop a connection that seems dead and connect again."""
        endpoint = self._endpoints[address]
        self._wire.close_channel(address)
        endpoint.dialled = False
        self.unlinked(address, now_ms)
        self._dial(endpoint)

    def waits_for_greeting(self) -> bool:
        """Whether time must be told: some node has not greeted, or none can be reached."""
        if self._unreachable_since_ms is not None:
            return True
        return any(e.linked and not e.ready for e in self._endpoints.values())

    def _widen(self, now_ms: float) -> None:
        """With no node answering, try members known only from others."""
        since_ms = self._unreachable_since_ms
        if since_ms is not None and now_ms - since_ms > self._settings.retry_ms:
            for endpoint in self._endpoints.values():
                self._dial(endpoint)

    def _note_reach(self, now_ms: float) -> None:
        reached = any(endpoint.ready for endpoint in self._endpoints.values())
        if not reached and self._unreachable_since_ms is None:
            self._unreachable_since_ms = now_ms

    # --- members ---

    def _learn_members(self, reply: HelloReply) -> None:
        members = {address: node for node, _, address in reply.members if address}
        for address, node in members.items():
            known = self._endpoints.get(address)
            if known is not None:
                known.node = node
            elif self._of_node(node) is None:
                self._endpoints[address] = Endpoint(address, given=False, node=node)
        for endpoint in list(self._endpoints.values()):
            if not endpoint.given and endpoint.address not in members:
                self._forget(endpoint)

    def _forget(self, endpoint: Endpoint) -> None:
        """Drop a learned address that left the cluster; one in use stays until it fails."""
        if not endpoint.linked:
            if endpoint.dialled:
                self._wire.close_channel(endpoint.address)
            del self._endpoints[endpoint.address]

    def _of_node(self, node: int) -> Endpoint | None:
        """Return the endpoint of `node`, a ready one if there are several."""
        found = None
        for endpoint in self._endpoints.values():
            if endpoint.node == node:
                if endpoint.ready:
                    return endpoint
                found = found or endpoint
        return found

    # --- connections ---

    def _dial(self, endpoint: Endpoint) -> None:
        if not endpoint.dialled:
            endpoint.dialled = True
            self._wire.open(endpoint.address)

    def _greet_after(self, endpoint: Endpoint, pause_ms: float, now_ms: float) -> None:
        if now_ms - endpoint.greeted_ms >= pause_ms:
            self._greet(endpoint, now_ms)

    def _greet(self, endpoint: Endpoint, now_ms: float) -> None:
        endpoint.greeted_ms = now_ms
        if endpoint.owing_since_ms is None:
            endpoint.owing_since_ms = now_ms
        # A greeting that could not be queued is repeated like one that was lost.
        self._wire.send(
            endpoint.address, client_frames.encode(Hello(PROTOCOL_VERSION, self._cluster))
        )
