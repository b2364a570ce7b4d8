"""Numbers that must not mix: node, term, index, revision, lease, writer.

Each is a plain int at run time; the type checker keeps one from being passed for another.
"""

from typing import NewType

NodeId = NewType("NodeId", int)
"""A node, never reused; 63 bits, positive. 0 means "none known"."""

ClusterId = NewType("ClusterId", int)
"""A cluster, drawn from its first member list; 63 bits, positive."""

Term = NewType("Term", int)
"""An election number of the Raft log; 0 before the first election."""

LogIndex = NewType("LogIndex", int)
"""A place in the Raft log; the first entry is 1, 0 is "before the log"."""

Revision = NewType("Revision", int)
"""A version of the store; an empty store is at 1, the first write makes 2."""

LeaseId = NewType("LeaseId", int)
"""A lease; 63 bits, positive. 0 means "no lease"."""

WriterId = NewType("WriterId", int)
"""A registered sender of numbered writes; 63 bits, drawn at random by the client."""

WatchId = NewType("WatchId", int)
"""A watch, numbered by its client; unique on one connection."""
