"""The judge of simulated jobs is told lies, and must object to each."""

from collections.abc import Awaitable, Callable

import pytest

from coord.client import ops
from coord.testing.local import LocalCluster, in_loop
from coord.testing.violation import Violation
from recipes.testing.hold_checks import Told
from recipes.testing.journal import Delivery, Journal, Order, Receipt
from workers.limits.rule import Rule
from workers.limits.store import LimitStore
from workers.model.ending import encode_ending
from workers.model.ids import JobId
from workers.model.job import Job
from workers.store.jobs import JobStore
from workers.testing.hand_timer import HandTimer
from workers.testing.hand_worker import HandWorker
from workers.testing.job_world import TTL_MS
from workers.testing.sim import wishing
from workers.testing.sim.judging import check_jobs
from workers.testing.sim.play import Play

PLAY = Play("jobs", wishing.plain)
EVERY_MS = 10.0  # one revision each


class Story:
    """A small log of jobs, and what was told of it."""

    def __init__(self) -> None:
        self.cluster = LocalCluster()
        self.client = self.cluster.client()
        self.store = JobStore(self.client, PLAY.places, HandTimer())
        self.journal = Journal()

    async def enqueue(self, body: str, **options: object) -> JobId:
        """Enqueue a job, and tell so."""
        job = Job("work", {"body": body}, **options)  # type: ignore[arg-type]
        job_id = await self.store.enqueue("default", job)
        self.journal.orders.append(Order(PLAY.space, body.encode(), str(job_id)))
        return job_id

    async def work(self, *, finish: bool = True) -> None:
        """Claim everything, and complete it."""
        session = await self.client.session(TTL_MS)
        worker = HandWorker(self.client, session.lease, PLAY.places)
        for held in await worker.take():
            if finish:
                assert await worker.complete(held)

    def judge(self) -> dict[str, int]:
        """Have it judged."""
        events = {}
        for batch in self.cluster.store.events(1, self.cluster.store.revision):
            if batch:
                events[batch[0].kv.mod_revision] = batch
        seen = {revision: EVERY_MS * revision for revision in events}
        return check_jobs(Told(events, seen, {}, self.journal), PLAY)


@in_loop
async def test_a_true_story_is_believed_and_counted() -> None:
    story = Story()
    job_id = await story.enqueue("a")
    await story.work()
    ending = encode_ending(await story.store.wait(job_id))
    key = PLAY.space + str(job_id).encode()
    story.journal.receipts.append(Receipt(key, ending, 0, 0.0))
    counts = story.judge()
    assert counts["jobs: jobs acknowledged"] == counts["jobs: endings: done"] == 1
    assert counts["jobs: endings told"] == counts["jobs: claims"] == 1


async def _acknowledged_and_not_there(story: Story) -> None:
    ghost = JobId("default", "5" + "0" * 19 + "9")
    story.journal.orders.append(Order(PLAY.space, b"b", str(ghost)))


async def _made_twice(story: Story) -> None:
    await story.enqueue("a")
    await story.work()


async def _left_waiting(story: Story) -> None:
    await story.enqueue("b")


async def _left_held(story: Story) -> None:
    await story.enqueue("b")
    await story.work(finish=False)


async def _claimed_while_shut(story: Story) -> None:
    await story.enqueue("b")
    await story.store.pause("default")
    session = await story.client.session(TTL_MS)
    at = PLAY.places.queue("default")
    await story.client.claim(at.ready, at.held_by("w"), session.lease)


async def _told_another_ending(story: Story) -> None:
    job_id = await story.enqueue("b")
    await story.work()
    key = PLAY.space + str(job_id).encode()
    story.journal.receipts.append(Receipt(key, b"another", 0, 0.0))


async def _started_once_too_often(story: Story) -> None:
    job_id = await story.enqueue("b", attempts_max=2)
    await story.work()
    run = Delivery(PLAY.space, str(job_id), b"", b"b", 0, 3, 0)
    story.journal.deliveries.append(run)


async def _in_line_before_its_time(story: Story) -> None:
    due_unix_ms = story.store.site.timer.now_unix_ms() + 60_000
    job_id = await story.enqueue("b", due_unix_ms=due_unix_ms)
    at = PLAY.places.queue("default")
    kv = (await story.client.get(at.later + job_id.item.encode())).kvs[0]
    due = (await story.client.get(PLAY.places.due, prefix=True)).kvs[0]
    ready = ops.put(at.ready + job_id.item.encode(), kv.value)
    await story.client.txn(success=[ops.delete(kv.key), ops.delete(due.key), ready])


async def _too_fast_for_a_rate(story: Story) -> None:
    limits = LimitStore(story.client, PLAY.places, HandTimer())
    await limits.set("rate", Rule(rate=1, period_ms=60_000))
    for number in range(4):
        admitted = PLAY.places.admitted("rate") + f"default:5{number:020x}".encode()
        await story.client.put(admitted)


LIES: tuple[tuple[Callable[[Story], Awaitable[None]], str], ...] = (
    (_acknowledged_and_not_there, "is not in the log"),
    (_made_twice, "was made twice"),
    (_left_waiting, "is ready when all is over"),
    (_left_held, "is held when all is over"),
    (_claimed_while_shut, "claimed while shut"),
    (_told_another_ending, "and the log says"),
    (_started_once_too_often, "was started"),
    (_in_line_before_its_time, "in line at"),
    (_too_fast_for_a_rate, "may"),
)


@in_loop
async def _judged_with(lie: Callable[[Story], Awaitable[None]]) -> None:
    story = Story()
    await story.enqueue("a")
    await story.work()
    await lie(story)
    story.judge()


@pytest.mark.parametrize(("lie", "told"), LIES, ids=lambda each: getattr(each, "__name__", ""))
def test_a_lie_is_not_believed(lie: Callable[[Story], Awaitable[None]], told: str) -> None:
    with pytest.raises(Violation, match=told):
        _judged_with(lie)
