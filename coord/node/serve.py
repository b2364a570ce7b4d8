"""One node as a process: real sockets, a real disk, signals, and the loop's thread.

The first TERM or INT hands leadership over and leaves within a second or two; a second one, or
a failed disk, ends the process at once. Nothing acknowledged depends on leaving cleanly.
"""

import gc
import os
import random
import signal
import sys
from collections import deque
from collections.abc import Callable
from types import FrameType

from coord.clock import Clock, SystemClock
from coord.config import NodeConfig
from coord.errors import ErrorCode
from coord.ids import NodeId
from coord.limits import (
    CLIENT_QUEUE_MESSAGES,
    ENTRY_BYTES_MAX,
    FRAME_BYTES_MAX,
    MIB,
    PEER_QUEUE_MESSAGES,
    REPLY_BYTES_MAX,
)
from coord.node.affinity import Affinity
from coord.node.driver import Node
from coord.node.intake import Report
from coord.node.logging import make_log, report_to
from coord.node.refusals import rejection
from coord.node.settings import NodeSettings
from coord.wal.identity import Identity
from coord.wal.threaded import ThreadedStorage, open_storage
from transport.base import Refusal
from transport.settings import LinkSettings
from transport.zmtp import NodeTransport, open_node_transport, raise_file_limit

_LEAVE_MS = 1500.0  # for handing over leadership and flushing answers
_REFUSALS_MAX = 100  # waiting to be logged; more are as good as one
# The log thread needs the interpreter after each sync. A busy loop lets go of it so often and so
# briefly that with the default of 5 ms the thread was measured to starve for up to 600 ms.
_SWITCH_S = 50e-6
# On a processor of its own, for so long after a step of some write was taken, the loop looks for
# the next instead of sleeping: about as long as that takes to come. A processor that went to sleep
# is late for it.
_LOOK_MS = 1.0
_STALL_MS = 30.0  # a turn longer than this is worth a line in the log

PEER_LINK = LinkSettings(
    queue_messages=PEER_QUEUE_MESSAGES,
    receive_bytes_max=ENTRY_BYTES_MAX * 2,
    send_bytes_max=ENTRY_BYTES_MAX * 2,
)
CLIENT_LINK = LinkSettings(
    queue_messages=CLIENT_QUEUE_MESSAGES,
    receive_bytes_max=FRAME_BYTES_MAX,
    send_bytes_max=REPLY_BYTES_MAX + MIB,
)


class _Stop:
    """Counts the signals that ask for an end."""

    def __init__(self) -> None:
        self.asked = 0
        self._wake: Callable[[], None] = lambda: None

    def install(self, wake: Callable[[], None]) -> None:
        """Listen for TERM and INT from now on."""
        self._wake = wake
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self.asked += 1
        if self.asked > 1:
            os._exit(128 + number)
        self._wake()


def settings_from(config: NodeConfig) -> NodeSettings:
    """Translate the checked configuration into what the loop needs."""
    names = {address: name for name, address in config.initial_cluster.items()}
    return NodeSettings(
        cluster=config.cluster,
        node=config.node_id,
        name=config.name,
        client_address=config.advertise_client,
        members={
            int(node): (names[address], address)
            for node, address in config.peer_addresses().items()
        },
        tick_ms=config.tick_ms,
        heartbeat_ticks=config.heartbeat_ticks,
        election_ticks=config.election_ticks,
        history_revisions=config.history_revisions,
        snapshot_log_bytes=config.snapshot_log_bytes,
        log_bytes_in_memory=config.log_bytes_in_memory,
        disk_reserve_bytes=config.disk_reserve_bytes,
    )


def serve(config: NodeConfig, on_ready: Callable[[], None] | None = None) -> int:
    """Run one node until TERM or INT; blocks.

    Args:
        config: checked settings.
        on_ready: called once, when this node first knows a leader and has applied its term.

    Returns:
        The exit code: 0 after a clean stop.

    Raises:
        TransportError: an address is taken or wrong.
        Corruption: the data directory is damaged; says where.
        Misuse: the data directory belongs to another member.
        Unavailable: another process uses the data directory.
    """
    assert __debug__, "coord relies on its assertions; do not run it under python -O"
    raise_file_limit()
    clock = SystemClock()
    affinity = Affinity()
    if config.affinity == "auto":
        affinity.start(clock.now_ms())  # before the threads that shall inherit it
    refusals: deque[Refusal] = deque(maxlen=_REFUSALS_MAX)
    report = report_to(make_log(config.name, config.log_level, config.log_format), clock)
    transport = open_node_transport(
        config.listen_peer,
        config.listen_client,
        peer_settings=PEER_LINK,
        client_settings=CLIENT_LINK,
        on_refused=refusals.append,
    )
    config.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    identity = Identity(cluster=config.cluster, node=NodeId(config.node_id))
    storage = open_storage(str(config.data_dir), identity, transport.poller.wake)
    draw = random.SystemRandom().randint
    node = Node(
        settings_from(config), storage, transport.peers, transport.listener, clock, draw, report
    )
    stop = _Stop()
    stop.install(transport.poller.wake)
    fields = {"clients": config.listen_client, "peers": config.listen_peer, "cpu": affinity.cpu}
    report("serving", fields)
    _quiet_collector()
    sys.setswitchinterval(_SWITCH_S)
    _run(node, transport, clock, stop, report, refusals, affinity, on_ready)
    _leave(node, transport, storage, clock)
    report("stopped", {"applied_index": node.applied_index})
    return 0


def _quiet_collector() -> None:
    """Keep the cyclic collector from walking a store of millions of keys.

    What lives long here (keys, entries, frames) forms no cycles and is freed by counting. The
    young generation is still collected, for the cycles that exceptions make.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 1_000, 1_000_000)


def _run(
    node: Node,
    transport: NodeTransport,
    clock: Clock,
    stop: _Stop,
    report: Report,
    refusals: deque[Refusal],
    affinity: Affinity,
    on_ready: Callable[[], None] | None,
) -> None:
    wait = transport.poller.wait
    look_until_ms = 0.0
    while not stop.asked:
        now_ms = clock.now_ms()
        wait(node.next_wake_ms() - now_ms, look_until_ms - now_ms if affinity.is_calm else 0.0)
        began_ms = clock.now_ms()
        node.turn()
        ended_ms = clock.now_ms()
        if node.expects_more:
            look_until_ms = ended_ms + _LOOK_MS
        took_ms = ended_ms - began_ms
        if took_ms > _STALL_MS:
            report("slow turn", {"took_ms": round(took_ms, 1)})
        affinity.check(began_ms)
        while refusals:
            _turn_away(refusals.popleft(), transport, report)
        if on_ready is not None and node.leader:
            on_ready()
            on_ready = None


def _turn_away(refusal: Refusal, transport: NodeTransport, report: Report) -> None:
    """Log what a stranger sent, and answer where there is somebody to hear it."""
    fields = {"port": refusal.port, "reason": refusal.reason, "remote": refusal.remote}
    report("stranger refused", fields)
    if refusal.route:
        transport.listener.send(refusal.route, rejection(ErrorCode.MALFORMED, refusal.reason))


def _leave(node: Node, transport: NodeTransport, storage: ThreadedStorage, clock: Clock) -> None:
    node.stop()
    until_ms = clock.now_ms() + _LEAVE_MS
    while node.core.is_leader and len(node.core.membership.voters) > 1:
        left_ms = until_ms - clock.now_ms()
        if left_ms <= 0:
            break
        transport.poller.wait(min(left_ms, node.next_wake_ms() - clock.now_ms()))
        node.turn()
    storage.close()
    transport.close()
