"""How many bytes of the log no snapshot covers yet. Pure; one owner."""

from collections import deque

from coord import limits

_STEP_BYTES = limits.MIB  # so coarse that the record stays small, so fine that nobody minds


class Growth:
    """Sizes of the log's youngest entries, in steps of about a MiB."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._steps: deque[tuple[int, int]] = deque()
        self._bytes = 0

    @property
    def uncovered_bytes(self) -> int:
        """Bytes appended for entries above the last covered index."""
        return self._bytes

    def add(self, last_index: int, size_bytes: int) -> None:
        """Count a record whose entries end at `last_index`."""
        self._bytes += size_bytes
        if self._steps and self._steps[-1][1] + size_bytes <= _STEP_BYTES:
            size_bytes += self._steps.pop()[1]
        self._steps.append((last_index, size_bytes))

    def cover(self, index: int) -> None:
        """Forget what a snapshot up to `index` holds."""
        while self._steps and self._steps[0][0] <= index:
            self._bytes -= self._steps.popleft()[1]
