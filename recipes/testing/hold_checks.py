"""Holders against the log: disjoint, in order of arrival, tokens growing, stale writes refused.

The log alone says whose turn it was at which revision; what holders were told, and for how long
they believed it, must agree with that. A holder believes until it lets go or its session ends.
"""

from collections.abc import Callable, Mapping, Sequence

import attrs

from coord.model import Cause
from coord.testing.lease_checks import SessionRecord
from coord.testing.violation import Violation
from recipes.testing.actor import EFFECTS
from recipes.testing.holders import PERMITS
from recipes.testing.journal import Guarded, Journal, Tenure
from recipes.testing.truth import FOREVER, Events, Life, in_order, lives, turn_of

_NOTICE_MS = 25.0  # until a client looks at its clock
_PACE = 0.06  # how much of a time to live clocks may differ by


@attrs.frozen
class Line:
    """How one thing is held: the places in line, how many hold at once, who blocks whom."""

    name: str
    folder: bytes
    holders: int = 1
    blocks: Callable[[Life, Life], bool] = lambda earlier, later: True
    is_exclusive: bool = True


def _excludes(earlier: Life, later: Life) -> bool:
    return earlier.key.startswith(b"rw/write/") or later.key.startswith(b"rw/write/")


LINES = (
    Line("lock", b"lock/"),
    Line("rw", b"rw/", blocks=_excludes, is_exclusive=False),
    Line("sem", b"sem/permits/", holders=PERMITS, is_exclusive=False),
    Line("office", b"office/"),
)


@attrs.frozen
class Told:
    """What there is to be judged: the log, when its revisions were first seen, what was told."""

    events: Events
    seen_ms: Mapping[int, float]
    sessions: Mapping[int, SessionRecord]
    journal: Journal


def check_holders(told: Told, line: Line) -> dict[str, int]:
    """Judge all tenures and guarded writes of one line.

    Returns:
        What happened, by name.

    Raises:
        Violation: somebody held, wrote or was refused what the log does not bear out.
    """
    places = lives(told.events, line.folder)
    by_token = {life.token: life for life in places}
    tenures = [tenure for tenure in told.journal.tenures if tenure.what == line.name]
    guarded = [each for each in told.journal.guarded if each.tenure.what == line.name]
    for tenure in tenures:
        _check_tenure(told, line, places, by_token, tenure)
    for each in guarded:
        _check_answer(by_token, each)
    _check_effects(told.events, line, places, by_token)
    expired = {life.token for life in places if life.cause is Cause.EXPIRED}
    return {
        f"{line.name}: places in line": len(places),
        f"{line.name}: held": len(tenures),
        f"{line.name}: held and lost": sum(tenure.token in expired for tenure in tenures),
        "guarded writes accepted": sum(each.accepted for each in guarded),
        "stale writes refused": sum(not each.accepted for each in guarded),
    }


def check_observers(told: Told, line: Line) -> dict[str, int]:
    """Whoever followed an office saw leaders that had their turn, in order."""
    places = lives(told.events, line.folder)
    leaders = {life.token for life in places if _turn(line, places, life) < life.end}
    for seen in told.journal.observed:
        if seen != sorted(seen) or not set(seen) <= leaders:
            raise Violation(f"{line.name}: seen were {seen}, leaders were {sorted(leaders)}")
    return {f"{line.name}: leaders seen": sum(map(len, told.journal.observed))}


def _turn(line: Line, places: Sequence[Life], life: Life) -> int:
    return turn_of(life, places, line.holders, lambda earlier: line.blocks(earlier, life))


def _check_tenure(
    told: Told,
    line: Line,
    places: Sequence[Life],
    by_token: Mapping[int, Life],
    tenure: Tenure,
) -> None:
    life = by_token.get(tenure.token)
    if life is None or life.key != tenure.key:
        raise Violation(f"{line.name}: {tenure} has no place in the log")
    turn = _turn(line, places, life)
    if turn >= life.end:
        raise Violation(f"{line.name}: {tenure}, and its turn never came")
    turn_ms = told.seen_ms.get(turn, float("inf"))
    if turn_ms > tenure.got_ms:
        raise Violation(f"{line.name}: {tenure}, and its turn came at {turn_ms:.1f} ms")
    check_belief(told, tenure, life)


def check_belief(told: Told, tenure: Tenure, life: Life) -> None:
    """A holder does not believe longer than the log lets it, but for what clocks may differ."""
    session = told.sessions[life.lease]
    ends = [end for end in (tenure.until_ms, session.believed_until_ms) if end is not None]
    if not ends:
        raise Violation(f"{tenure.what}: {tenure} never ended")
    if life.end == FOREVER:
        return
    allowed_ms = told.seen_ms.get(life.end, float("inf"))
    if life.cause is Cause.EXPIRED:
        allowed_ms += session.ttl_ms * _PACE + _NOTICE_MS
    if min(ends) > allowed_ms:
        raise Violation(
            f"{tenure.what}: {tenure}, {session}; it ended at {allowed_ms:.1f} ms ({life})"
        )


def _check_answer(by_token: Mapping[int, Life], guarded: Guarded) -> None:
    """A guarded write is accepted exactly while the key of its tenure is there."""
    life = by_token[guarded.tenure.token]
    if guarded.accepted != (guarded.revision < life.end):
        raise Violation(f"{guarded.tenure.what}: {guarded}, and the log says {life}")


def _check_effects(
    events: Events, line: Line, places: Sequence[Life], by_token: Mapping[int, Life]
) -> None:
    """Every write that was carried out came from a holder, and in order of tokens."""
    newest = 0
    for event in in_order(events):
        if event.kv.key != EFFECTS + line.name.encode():
            continue
        token, revision = int(event.kv.value), event.kv.mod_revision
        life = by_token[token]
        if not _turn(line, places, life) < revision < life.end:
            raise Violation(f"{line.name}: at {revision} a write was accepted from {life}")
        if line.is_exclusive and token < newest:
            raise Violation(f"{line.name}: at {revision} {token} wrote after {newest}")
        newest = token
