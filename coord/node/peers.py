"""What members say to each other: Raft's messages, and the node's own beside them.

The node's own messages carry the same head (cluster, receiver, sender, term) as Raft's.
"""

import msgspec

from coord.codec import Codec
from coord.raft.messages import Message


class Forward(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=101):
    """Write frames a follower received, as their bytes, for the leader to propose.

    `number` is the sender's own, never used twice, so that a copy of this message is noticed: one
    copy proposed and another rejected would make the rejection a lie.
    """

    cluster: int
    to: int
    sender: int
    term: int
    frames: tuple[bytes, ...]
    number: int


class ForwardRejected(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=102):
    """One frame of forward `number` was not proposed; nothing of it will come of that forward."""

    cluster: int
    to: int
    sender: int
    term: int
    writer: int
    first_seq: int
    count: int
    number: int
    code: int
    detail: str = ""


class Introduce(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=103):
    """Who I am and where clients reach me; repeated, so a lost one does no harm."""

    cluster: int
    to: int
    sender: int
    term: int
    name: str
    client_address: str


PeerFrame = Message | Forward | ForwardRejected | Introduce

peer_frames: Codec[PeerFrame] = Codec(PeerFrame)
