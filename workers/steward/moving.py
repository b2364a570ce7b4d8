"""Taking many steps of jobs at once, each on its own terms, all of them only while in office.

Steps go as nested transactions, some to a transaction and several transactions on their way, so
that a hundred thousand jobs which fall due in one instant are a matter of seconds. All conditions
of a transaction are judged before it changes anything: no job may be in it twice.
"""

import asyncio
from collections.abc import Iterator, Sequence

from coord.requests import Put, TxnOp, TxnReply
from recipes.errors import NotLeader
from workers.steps.move import Move
from workers.steward.chore import Term

MOVES_MAX = 32  # in one transaction: its cost grows faster than their number
MOVES_BYTES = 256 * 1024  # of values; one more fits in any case
ON_THEIR_WAY = 16


async def make_moves(term: Term, moves: Sequence[Move], *beside: TxnOp) -> list[bool]:
    """Take steps, each if its conditions hold.

    Args:
        term: during which.
        moves: of different jobs.
        beside: what to write with the first of them, whether or not it holds.

    Returns:
        Which were taken, in the order given.

    Raises:
        NotLeader: the term is over; of `moves` a first part may have been taken.
        MaybeDone: it is unknown of some of them; look again.
    """
    slots = asyncio.Semaphore(ON_THEIR_WAY)
    parts = list(_parts(moves)) or ([()] if beside else [])

    async def send(part: Sequence[Move], more: tuple[TxnOp, ...]) -> list[bool]:
        async with slots:
            return await _send(term, part, more)

    sending = [send(part, beside if number == 0 else ()) for number, part in enumerate(parts)]
    answers = await asyncio.gather(*sending, return_exceptions=True)
    taken: list[bool] = []
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
        taken += answer
    return taken


async def _send(term: Term, part: Sequence[Move], beside: tuple[TxnOp, ...]) -> list[bool]:
    nested = [move.nested() for move in part]
    reply = await term.client.txn([term.guard()], [*nested, *beside])
    if not reply.succeeded:
        raise NotLeader
    taken = []
    for answer in reply.replies[: len(nested)]:
        assert isinstance(answer, TxnReply)
        taken.append(answer.succeeded)
    return taken


def _parts(moves: Sequence[Move]) -> Iterator[Sequence[Move]]:
    first, size_bytes = 0, 0
    for at, move in enumerate(moves):
        size_bytes += sum(len(op.value) for op in move.ops if type(op) is Put)
        if at + 1 - first >= MOVES_MAX or size_bytes > MOVES_BYTES:
            yield moves[first : at + 1]
            first, size_bytes = at + 1, 0
    if first < len(moves):
        yield moves[first:]
