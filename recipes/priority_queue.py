"""Priority queue: a queue whose items are taken by priority, and in order of arrival within one.

Guarantee: as `recipes.queue`; of what is in line the highest priority is taken first, what was put
`first` before all. An item keeps its priority when it comes back.

What breaks it: as the queue; and a low priority waits for as long as higher ones keep coming.

Cost: as the queue. IDs have a digit more before the others: 9 less the priority.
"""

from coord.client import ops
from coord.client.ops import Text
from coord.errors import ErrorCode, Misuse
from coord.requests import Put
from recipes.queue import FIRST, Queue

PRIORITY_MAX = 9


class PriorityQueue(Queue):
    """One queue with priorities from 0, taken last, to 9; consumers are the queue's."""

    in_order = False

    def putting(self, body: Text, *, first: bool = False, priority: int = 0) -> Put:
        """Return the operation that puts an item, for use in a transaction of yours.

        Raises:
            Misuse: the priority is none.
        """
        if type(priority) is not int or not 0 <= priority <= PRIORITY_MAX:
            detail = f"priority {priority!r:.100}; a whole number, 0 to {PRIORITY_MAX}"
            raise Misuse(detail, ErrorCode.INVALID_OPTION)
        rank = f"{PRIORITY_MAX - priority}".encode()
        return ops.put(self.ready + (FIRST if first else b"") + rank, body, sequence=True)

    async def put(self, body: Text, *, first: bool = False, priority: int = 0) -> str:
        """Put an item in line by its priority, and return its id.

        Raises:
            Misuse: the priority is none.
        """
        put = self.putting(body, first=first, priority=priority)
        reply = await self.client.put(put.key, put.value, sequence=True)
        return reply.key.removeprefix(self.ready).decode()
