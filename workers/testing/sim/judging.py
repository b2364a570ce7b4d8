"""What must be so of jobs in the log of a run, beyond what the ledger sees, revision by revision.

The ledger (`workers.testing.ledger`) knows states, index entries, endings, unique keys and limits
at one time. Here: nothing is claimed from a queue held shut, no attempt is one too many, nothing
comes before its time, no job is made twice, none is let pass faster than a rate allows; and what
programs were told is held against all of it.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence

from coord.model import Cause, Event, EventKind
from coord.testing.violation import Violation
from recipes.testing.hold_checks import Told
from recipes.testing.truth import lives
from workers.limits.rule import Rule, decode_rule
from workers.model.ending import encode_ending
from workers.model.ids import JobId
from workers.model.job import decode_job
from workers.model.states import ENDED, State
from workers.testing.ledger import Gone, Ledger
from workers.testing.scheduling import START_UNIX_MS
from workers.testing.sim.functions import CHILD
from workers.testing.sim.play import Play
from workers.testing.spots import Kind, Spot, spot_of

_FASTEST, _SLOWEST = 1.0501, 0.9499  # clocks


class JobLog:
    """The jobs of one play as the log tells of them."""

    def __init__(self, told: Told, play: Play) -> None:
        self.ledger = Ledger(play.places)
        self.counts: Counter[str] = Counter()
        self._told = told
        self._play = play
        self._places = play.places
        self._shut: dict[str, set[bytes]] = defaultdict(set)
        self._made: dict[str, JobId] = {}
        self._rates: dict[str, _Rate] = {}

    def read(self) -> None:
        """Read all of it.

        Raises:
            Violation: something is not as it must be.
        """
        for revision in sorted(self._told.events):
            events = [
                event
                for event in self._told.events[revision]
                if event.kv.key.startswith(self._play.space)
            ]
            if events:
                self._take(revision, events)

    def _take(self, revision: int, events: Sequence[Event]) -> None:
        spotted = [(event, spot_of(self._places, event.kv.key)) for event in events]
        changes = [(event, spot) for event, spot in spotted if spot is not None]
        now_ms = self._told.seen_ms[revision]
        self._check_times(revision, changes, now_ms)
        known = len(self.ledger.jobs)
        self.ledger.feed(events)
        for job_id in list(self.ledger.jobs)[known:]:
            self._check_new(revision, job_id)
        for event, spot in changes:
            if event.kind is EventKind.PUT and spot.kind is Kind.HELD:
                self._check_claim(event, spot)
            if event.kind is EventKind.PUT and spot.kind is Kind.ADMITTED:
                self._check_rate(spot, now_ms)
            if spot.kind is Kind.READY and event.cause is Cause.EXPIRED:
                self.counts["claims that ended with a lease"] += 1
        for event, other in spotted:
            if other is None:
                self._note_shut_and_rules(event, now_ms)

    def _check_times(self, revision: int, changes: list[tuple[Event, Spot]], now_ms: float) -> None:
        """A job leaves later/ for the line only when its time has come by some clock."""
        left = {s.job for e, s in changes if s.kind is Kind.LATER and e.kind is EventKind.DELETE}
        for event, spot in changes:
            is_in_line = spot.kind in (Kind.READY, Kind.PARKED) and event.kind is EventKind.PUT
            if not is_in_line or spot.job not in left:
                continue
            due_ms = self.ledger.jobs[spot.job].job.due_unix_ms - START_UNIX_MS
            self.counts["jobs that fell due"] += 1
            if due_ms > now_ms * _FASTEST + 1:
                raise Violation(f"{spot.job}: due at {due_ms}, in line at {now_ms} ({revision})")

    def _check_new(self, revision: int, job_id: JobId) -> None:
        job, holders = self.ledger.jobs[job_id].job, self.ledger.jobs[job_id].holders
        self.counts["jobs made"] += 1
        if holders:
            self.counts["jobs made in a worker's hands"] += 1
        self.counts["jobs made by jobs"] += str(job.args.get("body", "")).endswith(CHILD)
        body = job.args.get("body")
        if not isinstance(body, str):
            return
        if body in self._made:
            raise Violation(f"{body} was made twice: {self._made[body]}, {job_id} ({revision})")
        self._made[body] = job_id

    def _check_claim(self, event: Event, spot: Spot) -> None:
        kv, queue = event.kv, spot.job.queue
        self.counts["claims"] += 1
        job = decode_job(kv.value)
        if job is None:
            raise Violation(f"{kv} is no job")
        self.counts["claims only to be buried"] += job.tries + kv.claims > job.attempts_max
        if self._shut[queue]:
            raise Violation(f"{spot.job}: claimed while shut by {self._shut[queue]}: {kv}")

    def _check_rate(self, spot: Spot, now_ms: float) -> None:
        rate = self._rates.get(spot.of)
        if rate is not None:
            rate.let_pass(spot, now_ms)

    def _note_shut_and_rules(self, event: Event, now_ms: float) -> None:
        parts = event.kv.key.removeprefix(self._places.space).decode().split("/")
        is_put = event.kind is EventKind.PUT
        match parts:
            case ["queue", queue, "shut", _]:
                (self._shut[queue].add if is_put else self._shut[queue].discard)(event.kv.key)
                self.counts["times a queue was shut"] += is_put
            case ["limit", limit, "rule"]:
                self._rates.pop(limit, None)
                rule = decode_rule(event.kv.value) if is_put else None
                if rule is not None and rule.rate:
                    self._rates[limit] = _Rate(rule, now_ms)

    # --- at the end -------------------------------------------------------------------------

    def check_end(self) -> None:
        """All has come to an end, as all programs were told.

        Raises:
            Violation: it has not.
        """
        for job_id, entry in self.ledger.jobs.items():
            if entry.state is not Gone.GONE and entry.state not in ENDED:
                raise Violation(f"{job_id} is {entry.state.value} when all is over")
            state = entry.state if isinstance(entry.state, State) else None
            self.counts[f"jobs {state.value if state else 'gone'} in the end"] += 1
            if len(entry.endings) > entry.replays + 1:
                raise Violation(f"{job_id}: {entry.replays} replays, endings {entry.endings}")
            for ending in entry.endings:
                self.counts[f"endings: {ending.state.value}"] += 1
        leftovers = self.ledger.leftovers()
        if leftovers:
            raise Violation(f"left over: {leftovers}")
        self._check_orders()
        self._check_receipts()
        self._check_attempts()
        offices = lives(self._told.events, self._places.steward)
        self.counts["stewards' places in line"] = len(offices)
        self.counts["stewards lost"] = sum(each.cause is Cause.EXPIRED for each in offices)

    def _check_orders(self) -> None:
        for order in self._told.journal.orders:
            if order.queue != self._play.space:
                continue
            body = order.body.decode()
            if order.id is None:
                self.counts["unacknowledged jobs that were made"] += body in self._made
                self.counts["unacknowledged jobs that were not"] += body not in self._made
                continue
            job_id = JobId.parse(order.id)
            entry = self.ledger.jobs.get(job_id)
            if entry is None:
                raise Violation(f"{order} is not in the log")
            self.counts["jobs acknowledged"] += 1
            if self._made.get(body) != job_id and not entry.job.unique:
                raise Violation(f"{order}, and the log has {self._made.get(body)}")

    def _check_receipts(self) -> None:
        for receipt in self._told.journal.receipts:
            if not receipt.key.startswith(self._play.space):
                continue
            job_id = JobId.parse(receipt.key.removeprefix(self._play.space).decode())
            if receipt.value not in map(encode_ending, self.ledger.jobs[job_id].endings):
                raise Violation(f"{receipt}, and the log says {self.ledger.jobs[job_id]}")
            self.counts["endings told"] += 1

    def _check_attempts(self) -> None:
        """Nothing is run that is not in the log, and only as often as it may be."""
        for run in self._told.journal.deliveries:
            if run.queue != self._play.space:
                continue
            entry = self.ledger.jobs.get(JobId.parse(run.id))
            if entry is None or run.attempt > entry.job.attempts_max:
                raise Violation(f"{run} was started, and the log says {entry}")
            self.counts["attempts started"] += 1


class _Rate:
    """What a rate has let pass since its rule was set, by the slowest and the fastest clock."""

    def __init__(self, rule: Rule, since_ms: float) -> None:
        self._rule = rule
        self._since_ms = since_ms
        self._passed = 0

    def let_pass(self, spot: Spot, now_ms: float) -> None:
        """Note one more.

        Raises:
            Violation: it is one too many, whoever's clock was used.
        """
        self._passed += 1
        rule, last_ms = self._rule, now_ms * _FASTEST - self._since_ms * _SLOWEST
        most = rule.burst_max + rule.rate * last_ms / rule.period_ms + 1
        if self._passed > most:
            raise Violation(f"{spot} at {now_ms}: {self._passed} passed, {most:.1f} may ({rule})")


def check_jobs(told: Told, play: Play) -> Counter[str]:
    """Judge everything that happened to the jobs of a play.

    Returns:
        What happened, by name.

    Raises:
        Violation: something must not have.
    """
    log = judged(told, play)
    return Counter({f"{play.name}: {what}": number for what, number in log.counts.items()})


def judged(told: Told, play: Play) -> JobLog:
    """Return the log of a play's jobs, found to be in order."""
    log = JobLog(told, play)
    log.read()
    log.check_end()
    return log
