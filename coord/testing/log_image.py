"""What a node's log holds, followed from outside: every entry with the hash of all up to it.

Two entries with equal prefix hashes have equal histories, so comparing logs of any length is
comparing two numbers. One image follows what a node handed to its disk, another what the disk
has said is durable.
"""

from collections.abc import Iterable
from hashlib import blake2b

from coord.raft.messages import Entry

EMPTY = 0
"""The prefix hash before the first entry."""


def chain(before: int, entry: Entry) -> int:
    """Return the prefix hash of `entry` after a log whose hash is `before`."""
    head = b"%d %d %d %d " % (before, entry.index, entry.term, entry.kind)
    return int.from_bytes(blake2b(head + entry.payload, digest_size=8).digest(), "big")


class LogImage:
    """A log from `base` (exclusive) on; `base_hash` stands for what was before."""

    def __init__(self, base: int = 0, base_hash: int = EMPTY) -> None:
        self.base = base
        self._base_hash = base_hash
        self._entries: list[Entry] = []
        self._hashes: list[int] = []

    @property
    def last(self) -> int:
        """Index of the last entry; the base if there is none."""
        return self.base + len(self._entries)

    @property
    def last_hash(self) -> int:
        """The prefix hash at the last entry."""
        return self._hashes[-1] if self._hashes else self._base_hash

    def hash_at(self, index: int) -> int | None:
        """The prefix hash at `index`; None outside of the image."""
        if index == self.base:
            return self._base_hash
        place = index - self.base - 1
        return self._hashes[place] if 0 <= place < len(self._hashes) else None

    def entry_at(self, index: int) -> Entry | None:
        """The entry at `index`; None outside of the image."""
        place = index - self.base - 1
        return self._entries[place] if 0 <= place < len(self._entries) else None

    def replace_from(self, entries: Iterable[Entry]) -> list[int]:
        """Let `entries` take the place of everything from the first of them on.

        Returns:
            The prefix hash at each of them.
        """
        hashes: list[int] = []
        for number, entry in enumerate(entries):
            if number == 0:
                place = entry.index - self.base - 1
                assert 0 <= place <= len(self._entries), (entry.index, self.base, self.last)
                del self._entries[place:]
                del self._hashes[place:]
            assert entry.index == self.last + 1, (entry.index, self.last)
            self._hashes.append(chain(self.last_hash, entry))
            self._entries.append(entry)
            hashes.append(self._hashes[-1])
        return hashes

    def restart_at(self, base: int, base_hash: int, *, keep_suffix: bool) -> None:
        """Let a snapshot stand for everything up to `base`, and with it drop what came after.

        With `keep_suffix`, entries after `base` stay, if this log has the snapshot's past.
        """
        place = base - self.base
        if keep_suffix and place >= 0 and self.hash_at(base) == base_hash:
            del self._entries[:place]
            del self._hashes[:place]
        else:
            self._entries.clear()
            self._hashes.clear()
        self.base = base
        self._base_hash = base_hash

    def copy(self) -> "LogImage":
        """Return an image that can be changed on its own."""
        twin = LogImage(self.base, self._base_hash)
        twin._entries = [*self._entries]
        twin._hashes = [*self._hashes]
        return twin
