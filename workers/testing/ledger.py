"""A plain twin of the job framework: fed with every revision of the store, it says what is wrong.

It knows no steps, only what must be so whatever happened: a job stands in one place, moves only as
the table of states says, has its index entries where it stands and nowhere else, ends once; a
unique key is had by one job, and no more are admitted than a limit allows.

Feed it the events of whole revisions, from the first on. It raises Violation.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from enum import Enum
from typing import NoReturn

from attrs import define, field

from coord.model import Cause, Event, EventKind, KeyValue
from coord.testing.violation import Violation
from workers.limits.rule import decode_rule
from workers.model.ending import Ending, decode_ending
from workers.model.ids import JobId
from workers.model.job import Job, decode_job
from workers.model.places import Places
from workers.model.states import ENDED, STEPS, State
from workers.testing.spots import Kind, Spot, spot_of

_ALLOWED = {(state, after) for (state, _), afters in STEPS.items() for after in afters}
_PLACES = {
    Kind.READY: State.READY,
    Kind.HELD: State.HELD,
    Kind.LATER: State.LATER,
    Kind.PARKED: State.PARKED,
    Kind.DEAD: State.DEAD,
}


class Gone(Enum):
    """The state of a job of which nothing is kept."""

    GONE = "gone"


Stand = State | Gone


@define
class Entry:
    """What is known of one job."""

    state: Stand
    job: Job
    endings: list[Ending] = field(factory=list)
    holders: list[str] = field(factory=list)
    """Who claimed it, one for each claim."""
    replays: int = 0


class Ledger:
    """See the module."""

    def __init__(self, places: Places) -> None:
        self.jobs: dict[JobId, Entry] = {}
        self.revision = 0
        self._places = places
        self._keys: dict[bytes, KeyValue] = {}
        self._spots: dict[JobId, dict[bytes, Spot]] = defaultdict(dict)
        self._unique: Counter[str] = Counter()
        self._admitted: Counter[str] = Counter()

    def feed(self, events: Iterable[Event]) -> None:
        """Take in the events of one revision.

        Raises:
            Violation: something is not as it must be after it.
        """
        touched: dict[JobId, list[tuple[Event, Spot]]] = defaultdict(list)
        for event in events:
            self.revision = event.kv.mod_revision
            spot = spot_of(self._places, event.kv.key)
            self._take(event, spot)
            if spot is not None:
                touched[spot.job].append((event, spot))
        for job_id, changes in touched.items():
            self._check_job(job_id, changes)
        self._check_shared([spot for changes in touched.values() for _, spot in changes])

    def counts(self) -> Counter[Stand]:
        """Return how many jobs are in which state."""
        return Counter(entry.state for entry in self.jobs.values())

    def leftovers(self) -> list[bytes]:
        """Return index keys; where every job has ended and every window passed there are none."""
        return [
            key for spots in self._spots.values() for key, spot in spots.items() if spot.is_index
        ]

    def _take(self, event: Event, spot: Spot | None) -> None:
        key, is_put = event.kv.key, event.kind is EventKind.PUT
        step = is_put - (key in self._keys)
        if is_put:
            self._keys[key] = event.kv
        else:
            del self._keys[key]
        if spot is None:
            return
        if is_put:
            self._spots[spot.job][key] = spot
        else:
            self._spots[spot.job].pop(key, None)
        if spot.kind is Kind.UNIQUE:
            self._unique[spot.of] += step
        elif spot.kind is Kind.ADMITTED:
            self._admitted[spot.of] += step

    def _check_job(self, job_id: JobId, changes: list[tuple[Event, Spot]]) -> None:
        standing = [
            (key, spot) for key, spot in self._spots[job_id].items() if spot.kind in _PLACES
        ]
        if len(standing) > 1:
            self._fail(job_id, f"stands in {[key for key, _ in standing]}")
        ending = self._ending(job_id)
        state: Stand = Gone.GONE
        if standing:
            state = _PLACES[standing[0][1].kind]
            if ending is not None and state is not State.DEAD:
                self._fail(job_id, f"is {state.value} and has ended")
        elif ending is not None:
            state = ending.state
        job = decode_job(self._keys[standing[0][0]].value) if standing else None
        entry = self._move(job_id, state, job, changes)
        if entry is not None:
            self._check_index(job_id, entry)

    def _ending(self, job_id: JobId) -> Ending | None:
        at = self._places.queue(job_id.queue)
        kv = self._keys.get(at.done + job_id.item.encode())
        return decode_ending(kv.value) if kv else None

    def _move(
        self, job_id: JobId, state: Stand, job: Job | None, changes: list[tuple[Event, Spot]]
    ) -> Entry | None:
        entry = self.jobs.get(job_id)
        if entry is None:
            if state is Gone.GONE:
                return None  # an index entry of nobody was dropped
            handed = state is State.HELD and any(e.cause is Cause.CLAIMED for e, _ in changes)
            waits = state in (State.READY, State.LATER, State.PARKED)
            if job is None or not (waits or handed):
                self._fail(job_id, f"was never enqueued and is {state.value}")
            entry = self.jobs[job_id] = Entry(state, job)
        elif state is not entry.state and not self._may(entry, state, changes):
            self._fail(job_id, f"went from {entry.state.value} to {state.value}")
        self._note(job_id, entry, state, changes)
        entry.state, entry.job = state, job or entry.job
        return entry

    def _may(self, entry: Entry, state: Stand, changes: list[tuple[Event, Spot]]) -> bool:
        """Whether a job may go to a state by the table, or by what is not kept of it."""
        if state is not Gone.GONE:
            kept = any(spot.kind is Kind.KEPT for _, spot in changes)
            return (entry.state, state) in _ALLOWED or (entry.state is Gone.GONE and kept)
        if entry.state in ENDED:
            purged = (Cause.EXPIRED, Cause.DELETED)
            return all(e.cause in purged for e, s in changes if s.kind is Kind.DONE)
        return entry.job.result_ttl_ms == 0

    def _note(
        self, job_id: JobId, entry: Entry, state: Stand, changes: list[tuple[Event, Spot]]
    ) -> None:
        for event, spot in changes:
            if event.kind is not EventKind.PUT:
                continue
            if spot.kind is Kind.HELD:
                entry.holders.append(spot.of)
            if spot.kind is not Kind.DONE:
                continue
            ending = decode_ending(event.kv.value)
            if ending is None or entry.state in ENDED or entry.state is Gone.GONE:
                self._fail(job_id, f"ended a second time: {ending}")
            entry.endings.append(ending)
        was_over = entry.state in ENDED or entry.state is Gone.GONE
        if was_over and state in (State.READY, State.PARKED):
            entry.replays += 1

    def _check_index(self, job_id: JobId, entry: Entry) -> None:
        """Compare a job's index entries with those it has to have where it stands."""
        job, state = entry.job, entry.state
        found: dict[Kind, set[str]] = defaultdict(set)
        for spot in self._spots[job_id].values():
            found[spot.kind].add(spot.of)
        limits = set(job.limits)
        is_over = state in ENDED or state is Gone.GONE
        wanted = {
            Kind.WAITING: limits if state is State.PARKED else set(),
            Kind.ADMITTED: limits if state in (State.READY, State.HELD) else set(),
            Kind.DUE_RUN: {str(job.due_unix_ms)} if state is State.LATER else set(),
            Kind.GROUP_OPEN: {job.group} if job.group and not is_over else set(),
            Kind.GROUP_ENDED: {job.group} if job.group and is_over else set(),
        }
        for kind, expected in wanted.items():
            if found[kind] != expected:
                self._fail(job_id, f"is {state.value}; {kind.value}: {found[kind]}, not {expected}")
        if is_over and (found[Kind.DUE_EXPIRE] or found[Kind.CANCEL]):
            self._fail(job_id, f"is {state.value}, and is yet to expire or be cancelled")
        if job.unique and not job.unique_until_unix_ms:
            # A job put back does not take its key again: another may have it by now.
            expected = set() if is_over else {job.unique}
            if found[Kind.UNIQUE] != expected and not entry.replays:
                self._fail(job_id, f"is {state.value}; unique: {found[Kind.UNIQUE]}")

    def _check_shared(self, spots: list[Spot]) -> None:
        for spot in spots:
            if spot.kind is Kind.UNIQUE and self._unique[spot.of] > 1:
                self._fail(spot.job, f"is not the only one with the unique key {spot.of}")
            if spot.kind is not Kind.ADMITTED:
                continue
            kv = self._keys.get(self._places.rule(spot.of))
            rule = decode_rule(kv.value) if kv else None
            more = self._keys.get(self._places.admitted(spot.of) + str(spot.job).encode())
            grew = more is not None and more.mod_revision == self.revision
            if rule and rule.concurrency and grew and self._admitted[spot.of] > rule.concurrency:
                self._fail(spot.job, f"is one too many under {spot.of}: {self._admitted[spot.of]}")

    def _fail(self, job_id: JobId, what: str) -> NoReturn:
        raise Violation(f"revision {self.revision}: job {job_id} {what}")
