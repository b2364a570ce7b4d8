"""What jobs are put into plays: drawn at random, with little time, so that everything happens."""

import msgspec

from recipes.testing.actor import Actor
from workers.limits.rule import Rule
from workers.model.job import Backoff, Job
from workers.store.new import WhenTaken
from workers.testing.sim.play import FUNCTION, QUEUES, Wish

LIMITS = ("slots", "rate", "queue.other")
_BACKOFF = Backoff(base_ms=20, max_ms=150)


def plain(actor: Actor, body: str, now_unix_ms: int) -> Wish:
    """Draw a job of any urgency that may wait for a time, expire, or be limited in time."""
    luck = actor.luck
    job = Job(
        FUNCTION,
        {"body": body},
        created_unix_ms=now_unix_ms,
        due_unix_ms=now_unix_ms + luck.randrange(1, 600) if luck.random() < 0.3 else 0,
        expires_unix_ms=now_unix_ms + luck.randrange(1, 900) if luck.random() < 0.15 else 0,
        attempts_max=luck.choice((1, 2, 3)),
        backoff=_BACKOFF,
        soft_limit_ms=luck.choice((0, 0, 100)),
        hard_limit_ms=luck.choice((0, 0, 200)),
        result_ttl_ms=luck.choice((0, 300, 1_500)),
    )
    return Wish(luck.choice(QUEUES), job, luck.choice((4, 4, 4, 0, 9)))


def unique(actor: Actor, body: str, now_unix_ms: int) -> Wish:
    """Draw a job that may want to be the only one of its key, for good or for a while."""
    wish, luck = plain(actor, body, now_unix_ms), actor.luck
    if luck.random() < 0.2:
        return wish
    until = now_unix_ms + luck.randrange(1, 500) if luck.random() < 0.4 else 0
    changes = {"unique": luck.choice("abc"), "unique_until_unix_ms": until}
    job = msgspec.structs.replace(wish.job, **changes)
    return Wish(wish.queue, job, wish.priority, luck.choice(list(WhenTaken)))


def limited(actor: Actor, body: str, now_unix_ms: int) -> Wish:
    """Draw a job that may be under limits."""
    wish, luck = plain(actor, body, now_unix_ms), actor.luck
    limits = luck.choice(((), ("slots",), ("slots",), ("rate",), ("slots", "rate")))
    job = msgspec.structs.replace(wish.job, limits=limits)
    return Wish(wish.queue, job, wish.priority)


def rule(actor: Actor) -> Rule:
    """Draw what a limit allows."""
    luck = actor.luck
    concurrency, rate = luck.choice(((1, 0), (3, 0), (0, 4), (2, 6)))
    return Rule(concurrency, rate, period_ms=200, burst=luck.choice((0, 2)))
