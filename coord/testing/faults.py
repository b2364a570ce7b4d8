"""What goes wrong in one run: a character drawn from the seed, and a list of blows with times.

Drawing the rates themselves per run ("swarm testing") makes some runs hammer one fault and leave
others out, which finds more than every run being average. The list is made before the run starts,
so that it can be printed, cut short, or written by hand in a test; who leads, and so who is hit
by a blow aimed at the leader, is settled when it falls.
"""

from enum import Enum
from random import Random

import attrs

LEADER = -1
"""As a target: whoever leads when the blow falls, or node 0 if nobody does."""


class Shape(Enum):
    """How a partition cuts the links between nodes."""

    HALVES = "halves"  #: two groups, nothing between them
    ONE_WAY = "one-way"  #: two groups, only one direction cut
    ISOLATE = "isolate"  #: the target alone
    DEAF = "deaf"  #: the target sends and hears nothing
    MUTE = "mute"  #: the target hears and cannot be heard
    BRIDGE = "bridge"  #: two groups that only the target reaches both of
    SWIZZLE = "swizzle"  #: nodes cut off one by one, brought back in another order


@attrs.frozen
class Partition:
    """Cut links for a while. `salt` decides the groups; `clients` cuts the target's clients too."""

    shape: Shape
    target: int
    last_ms: float
    salt: int
    clients: bool = False


@attrs.frozen
class Crash:
    """End a node after `effects` more calls to its ports (so between any two outputs of a turn).

    What its disk had not made durable is lost, torn or kept by luck. It starts again later.
    """

    target: int
    effects: int
    down_ms: float


@attrs.frozen
class Leave:
    """Let a node stop as it does when told to (it hands leadership over), then end it."""

    target: int
    grace_ms: float
    down_ms: float


@attrs.frozen
class PowerLoss:
    """End every node at once."""

    down_ms: float


@attrs.frozen
class Pause:
    """Let a node do nothing for a while; what arrives meanwhile waits for it."""

    target: int
    last_ms: float


@attrs.frozen
class Freeze:
    """Pause a node, and when it wakes let it find its peers unreachable for a while longer.

    Its clients still reach it: what an old leader then answers is what reads are checked for.
    """

    target: int
    last_ms: float
    alone_ms: float


@attrs.frozen
class ClientCut:
    """Cut one client off from every node for a while. `client` counts from 0."""

    client: int
    last_ms: float


@attrs.frozen
class SlowDisk:
    """Let a node's disk take `sync_ms` for each sync for a while."""

    target: int
    last_ms: float
    sync_ms: float


@attrs.frozen
class DiskFull:
    """Let a node report no free space for a while; `suddenly`: let writes fail as well."""

    target: int
    last_ms: float
    suddenly: bool = False


Blow = Partition | Crash | Leave | PowerLoss | Pause | Freeze | ClientCut | SlowDisk | DiskFull


@attrs.frozen
class Fault:
    """One blow and its moment."""

    at_ms: float
    blow: Blow


@attrs.frozen(kw_only=True)
class Swarm:
    """The character of one run. Rates are blows per second of virtual time."""

    nodes: int = 3
    fault_ms: float = 8_000.0
    loss: float = 0.0
    duplicate: float = 0.0
    delay_min_ms: float = 0.2
    delay_mean_ms: float = 2.0
    straggler: float = 0.0  # chance that a message takes up to 50 times as long
    sync_min_ms: float = 0.2
    sync_mean_ms: float = 2.0
    drift: tuple[float, ...] = ()  # pace of each node's clock; 1.0 is true time
    partitions: float = 0.0
    crashes: float = 0.0
    leaves: float = 0.0
    pauses: float = 0.0
    freezes: float = 0.0
    client_cuts: float = 0.0
    slow_disks: float = 0.0
    full_disks: float = 0.0
    power_losses: float = 0.0
    snapshot_log_bytes: int = 16 * 1024
    log_bytes_in_memory: int = 8 * 1024
    history_revisions: int = 200
    client_queue: int = 10_000  # messages on one client's connection before it counts as full
    proposals_bytes_max: int = 60_000
    clients: int = 4
    lanes: int = 0  # requests a client has in flight at most; 0: each client draws its own
    restarts: float = 0.0  # chance that a client is closed once and another goes on for it
    forgeries: float = 0.0  # per client and second: its writer is closed behind its back
    think_ms: float = 20.0  # mean pause of a client between two operations
    keys: int = 6


def draw_swarm(luck: Random) -> Swarm:
    """Draw the character of a run."""
    nodes = luck.choices((1, 3, 5), (1, 6, 3))[0]
    history_revisions = luck.choice((30, 200, 2_000))
    calm = luck.random() < 0.1
    many = 0.0 if calm else 1.0

    def rate(chance: float, most: float) -> float:
        return many * luck.uniform(0, most) if luck.random() < chance else 0.0

    return Swarm(
        nodes=nodes,
        fault_ms=luck.uniform(3_000, 8_000),
        loss=rate(0.6, 0.2),
        duplicate=rate(0.5, 0.3),
        delay_min_ms=luck.uniform(0.1, 3.0),
        delay_mean_ms=luck.choice((0.5, 2.0, 8.0)),
        straggler=rate(0.5, 0.05),
        sync_min_ms=luck.uniform(0.05, 1.0),
        sync_mean_ms=luck.choice((0.5, 2.0, 10.0)),
        drift=tuple(luck.uniform(0.95, 1.05) for _ in range(nodes)),
        partitions=rate(0.7, 1.0) if nodes > 1 else 0.0,
        crashes=rate(0.8, 1.2),
        leaves=rate(0.3, 0.4),
        pauses=rate(0.5, 0.6),
        freezes=rate(0.4, 0.6) if nodes > 1 else 0.0,
        client_cuts=rate(0.4, 0.6),
        slow_disks=rate(0.4, 0.4),
        full_disks=rate(0.2, 0.3),
        power_losses=rate(0.2, 0.3),
        # A snapshot holds all history: often and long together would be all a run does.
        snapshot_log_bytes=luck.choice((6, 24, 96) if history_revisions < 1_000 else (64,)) * 1024,
        log_bytes_in_memory=luck.choice((2, 8, 32)) * 1024,
        history_revisions=history_revisions,
        client_queue=luck.choice((8, 100, 10_000)),
        proposals_bytes_max=luck.choice((6_000, 60_000)),
        clients=luck.randint(2, 5),
        restarts=0.4 * many,
        forgeries=rate(0.3, 0.4),
        think_ms=luck.choice((5.0, 20.0, 60.0)),
        keys=luck.randint(2, 8),
    )


def draw_plan(luck: Random, swarm: Swarm) -> tuple[Fault, ...]:
    """Draw the blows of a run, soonest first; all fall within `swarm.fault_ms`."""
    rates = (
        (swarm.partitions, _partition),
        (swarm.crashes, _crash),
        (swarm.leaves, _leave),
        (swarm.pauses, _pause),
        (swarm.freezes, _freeze),
        (swarm.client_cuts, _client_cut),
        (swarm.slow_disks, _slow_disk),
        (swarm.full_disks, _full_disk),
        (swarm.power_losses, _power_loss),
    )
    plan: list[Fault] = []
    for per_second, draw in rates:
        if per_second <= 0:
            continue
        at_ms = luck.expovariate(per_second / 1000)
        while at_ms < swarm.fault_ms:
            plan.append(Fault(at_ms, draw(luck, swarm)))
            at_ms += luck.expovariate(per_second / 1000)
    return tuple(sorted(plan, key=lambda fault: fault.at_ms))


def _target(luck: Random, swarm: Swarm) -> int:
    return LEADER if luck.random() < 0.5 else luck.randrange(swarm.nodes)


def _partition(luck: Random, swarm: Swarm) -> Blow:
    return Partition(
        shape=luck.choice(tuple(Shape)),
        target=_target(luck, swarm),
        last_ms=luck.uniform(50, 2_500),
        salt=luck.randrange(1 << 30),
        clients=luck.random() < 0.3,
    )


def _crash(luck: Random, swarm: Swarm) -> Blow:
    effects = luck.randrange(40)
    return Crash(_target(luck, swarm), effects, down_ms=luck.choice((1.0, 200.0, 1_500.0)))


def _leave(luck: Random, swarm: Swarm) -> Blow:
    return Leave(_target(luck, swarm), luck.uniform(1, 300), luck.choice((1.0, 500.0)))


def _power_loss(luck: Random, _swarm: Swarm) -> Blow:
    return PowerLoss(down_ms=luck.uniform(1, 300))


def _pause(luck: Random, swarm: Swarm) -> Blow:
    return Pause(_target(luck, swarm), last_ms=luck.uniform(50, 2_000))


def _freeze(luck: Random, swarm: Swarm) -> Blow:
    return Freeze(_target(luck, swarm), luck.uniform(100, 1_500), luck.uniform(20, 500))


def _client_cut(luck: Random, swarm: Swarm) -> Blow:
    return ClientCut(luck.randrange(swarm.clients), luck.uniform(100, 3_000))


def _slow_disk(luck: Random, swarm: Swarm) -> Blow:
    sync_ms = luck.choice((30.0, 300.0, 1_500.0))
    return SlowDisk(_target(luck, swarm), luck.uniform(200, 2_500), sync_ms)


def _full_disk(luck: Random, swarm: Swarm) -> Blow:
    return DiskFull(_target(luck, swarm), luck.uniform(200, 2_000), luck.random() < 0.5)


def cut_links(blow: Partition, target: int, nodes: int) -> list[frozenset[tuple[int, int]]]:
    """Return the links a partition cuts, as stages of equal length that follow one another.

    Args:
        blow: the partition; its own `target` is not looked at.
        target: the place (0-based) of the node it is aimed at.
        nodes: how many nodes there are.

    Returns:
        For each stage the directed (from, to) pairs that carry nothing.
    """
    luck = Random(blow.salt)  # the salt is part of the plan
    others = [place for place in range(nodes) if place != target]
    everyone = list(range(nodes))
    if blow.shape is Shape.SWIZZLE:
        return _swizzle(luck, everyone)
    if blow.shape is Shape.DEAF:
        return [frozenset((other, target) for other in others)]
    if blow.shape is Shape.MUTE:
        return [frozenset((target, other) for other in others)]
    if blow.shape is Shape.ISOLATE:
        return [_between([target], others)]
    pool = others if blow.shape is Shape.BRIDGE else everyone
    luck.shuffle(pool)
    middle = luck.randint(1, max(1, len(pool) - 1))
    left, right = pool[:middle], pool[middle:]
    if blow.shape is Shape.ONE_WAY:
        return [frozenset((one, other) for one in left for other in right)]
    return [_between(left, right)]


def _between(left: list[int], right: list[int]) -> frozenset[tuple[int, int]]:
    pairs = [(one, other) for one in left for other in right]
    return frozenset(pairs + [(other, one) for one, other in pairs])


def _swizzle(luck: Random, everyone: list[int]) -> list[frozenset[tuple[int, int]]]:
    chosen = luck.sample(everyone, luck.randint(1, len(everyone)))
    back = luck.sample(chosen, len(chosen))
    cut_sets = [chosen[: i + 1] for i in range(len(chosen))]
    cut_sets += [back[i + 1 :] for i in range(len(back) - 1)]
    return [
        frozenset(
            (one, other)
            for one in everyone
            for other in everyone
            if one != other and (one in cut or other in cut)
        )
        for cut in cut_sets
    ]
