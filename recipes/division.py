"""Division: items over members, evenly, the same everywhere, and few of them moving on a change.

Guarantee: the result depends on nothing but the names given. Every item goes to one member, none
gets more than its even share, rounded up. One member more or less moves little more than a share.

What breaks it: it is arithmetic on what the caller believes; two callers who believe different
things divide differently. See `recipes.partitioner` for what keeps them apart then.

Cost: a hash for each pair of item and member; ten thousand items and ten members take 0.1 s.
"""

import hashlib
from collections.abc import Iterable, Mapping


def divide(items: Iterable[str], members: Mapping[str, str]) -> dict[str, list[str]]:
    """Divide items over members: evenly, the same everywhere, and moving few when one changes.

    Each item goes to the member that draws the highest lot for it and has room left.

    Args:
        items: their names.
        members: their names by their keys; lots are drawn by name, so that a member that comes
            back gets much of what it had.

    Returns:
        The items of each member, by its key, in order.
    """
    names = sorted(set(items))
    shares: dict[str, list[str]] = {member: [] for member in sorted(members)}
    room = -(-len(names) // len(shares)) if shares else 0
    for item in names if shares else ():
        able = [member for member, share in shares.items() if len(share) < room]
        chosen = max(able, key=lambda member: (_lot(members[member], item), member))
        shares[chosen].append(item)
    return shares


def _lot(member: str, item: str) -> bytes:
    text = f"{len(member)}/{member}/{item}".encode(errors="surrogateescape")
    return hashlib.blake2b(text, digest_size=8).digest()
