"""Nouns of the store: a key with its value, and what happened to it.

These are msgspec structs, not attrs classes: a decoder makes them directly from bytes, and a
store holds them by the million, where being invisible to the cyclic collector is what keeps a
full collection from stopping the loop. They hold only bytes and ints, so no cycle can form.
"""

from enum import IntEnum

import msgspec


class KeyValue(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One version of one key, with etcd's field meanings.

    `claims` counts how often the key was taken by a claim; it survives give-backs.
    A deleted key is a KeyValue with `version` 0, an empty value and no lease.
    """

    key: bytes
    value: bytes
    create_revision: int
    mod_revision: int
    version: int
    lease: int = 0
    claims: int = 0


class EventKind(IntEnum):
    """What a revision did to a key."""

    PUT = 0
    DELETE = 1


class Cause(IntEnum):
    """Why a key changed: what etcd's watch cannot tell."""

    WRITTEN = 0  #: a put
    DELETED = 1  #: a delete request
    EXPIRED = 2  #: its lease ran out
    REVOKED = 3  #: its lease was revoked
    CLAIMED = 4  #: taken by a claim: a delete at the source, a put at the target
    GIVEN_BACK = 5  #: a claim ended: a delete at the target, a put at the source


class Event(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One change of one key. `kv.mod_revision` is the revision that made it.

    `prev_kv` is present only where a watch asked for it and the key existed before.
    """

    kind: EventKind
    cause: Cause
    kv: KeyValue
    prev_kv: KeyValue | None = None

    @property
    def is_create(self) -> bool:
        """Whether this put made the key."""
        return self.kind is EventKind.PUT and self.kv.create_revision == self.kv.mod_revision
