"""What tells one claim of a job from another."""

from coord.model import KeyValue

Claim = tuple[bytes, int]
"""A claimed key, and the claim's token: a worker may claim the same job again."""


def claim_of(kv: KeyValue) -> Claim:
    """Return which claim a key under held/ stands for."""
    return kv.key, kv.create_revision
