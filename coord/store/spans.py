"""What a key and a range end mean together, by etcd's rules.

No range end: one key. b"\\0": every key from the first on. Otherwise [key, range_end).
"""

FROM_KEY = b"\0"


def high_of(range_end: bytes) -> bytes | None:
    """Return the upper bound a range end stands for, None for "no bound"."""
    return None if range_end == FROM_KEY else range_end


def prefix_end(prefix: bytes) -> bytes:
    """Return the range end that covers exactly the keys starting with `prefix`.

    A prefix of only 0xff bytes, or none at all, has no key after it: the answer is b"\\0".
    """
    stem = prefix.rstrip(b"\xff")
    if not stem:
        return FROM_KEY
    return stem[:-1] + bytes((stem[-1] + 1,))
