"""Programs around a notice board and a counter: what is told once must be told once.

Readers keep their bookmark and leave and come back; compaction may overtake them. Adders repeat
nothing they are in doubt of.
"""

from collections.abc import Sequence
from contextlib import aclosing

from coord.errors import CoordError
from coord.model import EventKind
from coord.testing.violation import Violation
from recipes.board import Notice, NoticeBoard
from recipes.counter import Counter
from recipes.testing.actor import Actor
from recipes.testing.hold_checks import Told
from recipes.testing.journal import Reading
from recipes.testing.truth import in_order

BOARD, SUM = b"board/", b"sum"
_WRITERS = "writers of the board"
_END = "the end"


async def write(actor: Actor) -> None:
    """Hang notices, change them, take them down; the last word is the end."""
    board = NoticeBoard(actor.client, BOARD)
    with actor.at_work(_WRITERS):
        while not actor.is_over():
            await actor.think(2.0)
            way, subject = actor.luck.random(), f"s{actor.luck.randrange(5)}"
            try:
                if way < 0.6:
                    await board.write(subject, actor.name)
                elif way < 0.8:
                    await board.append(actor.name)
                else:
                    await board.take_down(subject)
            except CoordError as error:
                actor.failed(error)
    said = False
    while not said:
        try:
            await board.write(_END, actor.name)
            said = True
        except CoordError as error:
            actor.failed(error)
            await actor.think()


async def read(actor: Actor) -> None:
    """Read the board from a bookmark on, until the end."""
    board = NoticeBoard(actor.client, BOARD)
    reading = Reading()
    while not (reading.ended and actor.is_over() and not actor.journal.at_work[_WRITERS]):
        try:
            if not reading.bookmark:
                notices, reading.bookmark = await board.read()
                reading.began = reading.bookmark
                reading.ended = any(notice.subject == _END for notice in notices)
                actor.journal.readings.append(reading)
                continue
            async with aclosing(board.follow(reading.bookmark)) as following:
                async for batch in following:
                    _take(reading, batch)
                    if reading.ended or actor.luck.random() < 0.1:
                        break
        except CoordError as error:
            actor.failed(error)
        await actor.think()


def _take(reading: Reading, batch: Sequence[Notice]) -> None:
    reading.batches.append(
        tuple((each.subject, each.body, each.revision, each.caught_up) for each in batch)
    )
    reading.bookmark = batch[-1].revision
    reading.ended |= any(notice.subject == _END for notice in batch)


async def add(actor: Actor) -> None:
    """Add one, again and again."""
    counter = Counter(actor.client, SUM)
    while not actor.is_over():
        await actor.think()
        try:
            actor.journal.sums.append(await counter.add())
        except CoordError as error:
            actor.failed(error)


def check_board(told: Told) -> dict[str, int]:
    """Every reader got every change after where it began, once, in order."""
    happened = [
        (event.kv.key.removeprefix(BOARD).decode(),
         event.kv.value if event.kind is EventKind.PUT else None, event.kv.mod_revision)
        for event in in_order(told.events)
        if event.kv.key.startswith(BOARD)
    ]  # fmt: skip
    caught_up = 0
    for reading in told.journal.readings:
        at, may_skip = reading.began, False
        for batch in reading.batches:
            last = batch[-1][2]
            if any(notice[3] for notice in batch):
                caught_up += 1
                at, may_skip = max(at, last), True
                if not {notice[:3] for notice in batch} <= set(happened):
                    raise Violation(f"board: {batch} never was")
                continue
            due = [each for each in happened if at < each[2] <= last]
            got = [notice[:3] for notice in batch]
            if may_skip:
                due = due[-len(got) :]
            if got != due:
                raise Violation(f"board: after {at} there was {due}, told was {got}")
            at, may_skip = last, False
    return {
        "changes of the board": len(happened),
        "batches read": sum(len(reading.batches) for reading in told.journal.readings),
        "readers overtaken by compaction": caught_up,
    }


def check_sum(told: Told) -> dict[str, int]:
    """Each addition happened once, from the number it was computed from."""
    sums = [int(event.kv.value) for event in in_order(told.events) if event.kv.key == SUM]
    if sums != list(range(1, len(sums) + 1)):
        raise Violation(f"sum: it went {sums}")
    heard = sorted(told.journal.sums)
    if len(set(heard)) < len(heard) or not set(heard) <= set(sums):
        raise Violation(f"sum: told was {heard}, it went to {len(sums)}")
    return {"additions": len(sums), "additions told": len(heard)}
