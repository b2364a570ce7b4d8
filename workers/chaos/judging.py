"""What must be so when a campaign is over: of every job, in the record and in its side effects."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path

from attrs import field, frozen

from workers.chaos.plan import Kind
from workers.model.ids import JobId
from workers.model.states import State
from workers.testing.ledger import Entry


@frozen
class Enqueued:
    """A job whose enqueuing was acknowledged."""

    number: int
    kind: Kind
    job_id: JobId
    due_unix_ms: int


@frozen
class Effects:
    """What the jobs wrote down, by job id."""

    begun: Mapping[str, list[tuple[int, int]]] = field(factory=dict)
    """Attempts that began: number of the attempt, when."""
    ended: Mapping[str, list[int]] = field(factory=dict)
    """Attempts that came to their end."""


def read_effects(path: Path) -> Effects:
    """Read the side effects of all workers."""
    begun: dict[str, list[tuple[int, int]]] = defaultdict(list)
    ended: dict[str, list[int]] = defaultdict(list)
    for line in path.read_text().splitlines():
        what, _, job_id, attempt, at_unix_ms = line.split()
        if what == "begin":
            begun[job_id].append((int(attempt), int(at_unix_ms)))
        else:
            ended[job_id].append(int(attempt))
    return Effects(begun, ended)


def judge(
    enqueued: list[Enqueued], jobs: Mapping[JobId, Entry], effects: Effects
) -> tuple[Counter[str], list[str]]:
    """Compare what was acknowledged, what is on record, and what was done.

    Returns:
        What was counted, and what is wrong.
    """
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    for job in enqueued:
        entry = jobs.get(job.job_id)
        if entry is None:
            wrong.append(f"job {job.job_id} ({job.kind.value}) is lost")
            continue
        wrong += _of_one(job, entry, effects, counts)
    known = {job.job_id for job in enqueued}
    counts["enqueued without our knowing"] = len(
        [job_id for job_id, entry in jobs.items() if job_id not in known and _was_ours(entry)]
    )
    return counts, wrong


def _of_one(job: Enqueued, entry: Entry, effects: Effects, counts: Counter[str]) -> list[str]:
    name, wrong = str(job.job_id), []
    expected = State.DEAD if job.kind is Kind.HOPELESS else State.DONE
    counts[entry.state.value] += 1
    if entry.state is not expected or len(entry.endings) != 1:
        wrong.append(f"job {name} ({job.kind.value}) is {entry.state.value}: {entry.endings}")
        return wrong
    (ending,) = entry.endings
    begun, ended = effects.begun.get(name, []), effects.ended.get(name, [])
    counts["attempts begun"] += len(begun)
    counts["jobs begun more than once"] += len(begun) > 1
    counts["jobs that came to their end more than once"] += len(ended) > 1
    counts["completions refused or never told"] += sum(each != ending.attempt for each in ended)
    counts["claims lost with a worker"] += max(0, ending.attempt - 1 - len(ending.history))
    if expected is State.DONE and ending.attempt not in ended:
        wrong.append(f"job {name}: attempt {ending.attempt} is on record; it ended: {ended}")
    if begun and min(at for _, at in begun) < job.due_unix_ms:
        wrong.append(f"job {name} began before it was due")
    return wrong


def _was_ours(entry: Entry) -> bool:
    return entry.job.name != "tick"
