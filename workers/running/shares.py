"""How the room a worker has is divided among its queues. Pure."""


def shares(room: int, queues: int, turn: int, *, fair: bool) -> list[int]:
    """Return how many jobs to claim from each queue, in their order.

    Args:
        room: how many can be taken, 1 or more.
        queues: how many queues may have jobs.
        turn: counts up; what cannot be divided evenly goes to another queue each turn.
        fair: alike from all; if not, all from the first.
    """
    if not queues:
        return []
    if not fair:
        return [room] + [0] * (queues - 1)
    each, left = divmod(room, queues)
    return [each + ((place - turn) % queues < left) for place in range(queues)]
