"""A job's id: its queue and its item, "emails:5000000000000012a0000".

The item is the job's key in every place it stands in: a rank, one digit of urgency, then the 20
hexadecimal digits the store gave when it was enqueued. Items sort by urgency, then by arrival.
"""

import re
from typing import Self

from attrs import frozen

from coord.errors import ErrorCode, error_from
from workers.model.names import check_name

PRIORITY_MAX = 9
PRIORITY_DEFAULT = 4
_ITEM = re.compile(r"[0-9][0-7][0-9a-f]{19}")  # revisions have 63 bits


@frozen
class JobId:
    """Where to look for a job."""

    queue: str
    item: str

    def __str__(self) -> str:
        return f"{self.queue}:{self.item}"

    @property
    def priority(self) -> int:
        """The urgency it was enqueued with, 0 to 9; higher runs sooner."""
        return PRIORITY_MAX - int(self.item[0])

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an id.

        Raises:
            Misuse: it is none.
        """
        queue, colon, item = text.partition(":")
        if not colon or not _ITEM.fullmatch(item):
            detail = f"job id {text!r}: a queue, a colon, a digit and 20 hexadecimal digits"
            raise error_from(ErrorCode.INVALID_OPTION, detail)
        return cls(check_name("queue", queue), item)


def rank(priority: object) -> str:
    """Return the digit that sorts jobs of `priority` (0 to 9; higher runs sooner).

    Raises:
        Misuse: there is no such priority.
    """
    if not isinstance(priority, int) or not 0 <= priority <= PRIORITY_MAX:
        detail = f"priority {priority!r:.100}: 0 to {PRIORITY_MAX}, higher runs sooner"
        raise error_from(ErrorCode.INVALID_OPTION, detail)
    return str(PRIORITY_MAX - priority)
