"""What a pipeline is: stages of jobs, what each stage waits for, and what its failures mean.

Values only; `checks` says which make sense, `codec` how they are kept. A stage gets its jobs in
one of three ways: they are listed (`jobs`), there is one for each result of an earlier stage
(`for_each`), or there is one that gets the results of earlier stages (`collect`). Jobs of earlier
stages may add to any of them where `feeds` says so.
"""

from typing import Literal, Self

import msgspec

from workers.gates.conditions import Condition, Ended, Size, leaves, signal_names_of
from workers.model.ids import PRIORITY_DEFAULT
from workers.model.job import DAY_MS, Backoff, Job

KEEP_MS_DEFAULT = 7 * DAY_MS


class Call(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A job to be: of which function, with which arguments, in which queue; see `Job`.

    `expires_after_ms` counts from when the job is enqueued; 0 for never.
    """

    name: str
    args: dict[str, object] = {}
    queue: str = "default"
    priority: int = PRIORITY_DEFAULT
    tags: tuple[str, ...] = ()
    attempts_max: int = 5
    backoff: Backoff = Backoff()
    soft_limit_ms: int = 0
    hard_limit_ms: int = 0
    result_ttl_ms: int = DAY_MS
    expires_after_ms: int = 0
    limits: tuple[str, ...] = ()

    def job(self, group: str, now_unix_ms: int, feeds: tuple[str, ...] = ()) -> Job:
        """Return the job to enqueue."""
        return Job(
            name=self.name,
            args=self.args,
            tags=self.tags,
            created_unix_ms=now_unix_ms,
            expires_unix_ms=now_unix_ms + self.expires_after_ms if self.expires_after_ms else 0,
            attempts_max=self.attempts_max,
            backoff=self.backoff,
            soft_limit_ms=self.soft_limit_ms,
            hard_limit_ms=self.hard_limit_ms,
            result_ttl_ms=self.result_ttl_ms,
            limits=self.limits,
            group=group,
            feeds=feeds,
        )

    @classmethod
    def of(cls, queue: str, priority: int, job: Job) -> Self:
        """Return the call that makes a job like this one, its times and group aside."""
        return cls(
            name=job.name,
            args=job.args,
            queue=queue,
            priority=priority,
            tags=job.tags,
            attempts_max=job.attempts_max,
            backoff=job.backoff,
            soft_limit_ms=job.soft_limit_ms,
            hard_limit_ms=job.hard_limit_ms,
            result_ttl_ms=job.result_ttl_ms,
            expires_after_ms=max(0, job.expires_unix_ms - job.created_unix_ms),
            limits=job.limits,
        )

    def with_arg(self, name: str, value: object) -> "Call":
        """Return the call with one argument more."""
        return msgspec.structs.replace(self, args={**self.args, name: value})


class ForEach(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One job for each result of the jobs of `stage`; a result that is a list counts each part.

    Attributes:
        stage: whose results; it has to have ended before.
        call: the job, to which the result is added.
        arg: as the argument of this name.
        whole: a list counts as one result.
    """

    stage: str
    call: Call
    arg: str
    whole: bool = False


class Collect(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One job that gets all results of the jobs of some stages, in the order those were enqueued.

    Attributes:
        stages: whose results; they have to have ended before.
        call: the job, to which the list of results is added.
        arg: as the argument of this name; "" where the job reads them itself, see `results`.
    """

    stages: tuple[str, ...]
    call: Call
    arg: str = ""


class Stage(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Some jobs that wait for the same things.

    Attributes:
        name: unique in the pipeline.
        jobs, for_each, collect: where its jobs come from; at most one of them.
        after: stages that have to end well before it opens; those of `for_each` and `collect`
            need not be named again.
        gate: what has to hold besides.
        on_failure: what a job means that did not end well. "stop": the stage has failed, and the
            pipeline; the rest is cancelled at once. "continue": nothing. "retry": once all have
            ended those are tried anew, up to `retries` times; then as "stop".
        retries: rounds of that.
        feeds: later stages to which jobs of this one may add jobs.
        id_arg: the argument by which each listed or collecting job is told the pipeline's id.
    """

    name: str
    jobs: tuple[Call, ...] = ()
    for_each: ForEach | None = None
    collect: Collect | None = None
    after: tuple[str, ...] = ()
    gate: Condition | None = None
    on_failure: Literal["stop", "continue", "retry"] = "stop"
    retries: int = 0
    feeds: tuple[str, ...] = ()
    id_arg: str = ""

    @property
    def awaits(self) -> tuple[str, ...]:
        """Every stage that has to end well before this one opens, its gate aside."""
        named = list(self.after)
        if self.for_each is not None:
            named.append(self.for_each.stage)
        if self.collect is not None:
            named += self.collect.stages
        return tuple(dict.fromkeys(named))

    @property
    def needs(self) -> tuple[str, ...]:
        """Every stage this one waits for in any way, its gate's included."""
        gate = () if self.gate is None else tuple(leaves(self.gate))
        named = [leaf.stage for leaf in gate if isinstance(leaf, Ended | Size)]
        return tuple(dict.fromkeys((*self.awaits, *named)))


class Pipeline(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Stages, in any order.

    Attributes:
        name: for whoever looks; many runs may have the same.
        stages: what is to be done.
        keep_ms: how long its record and results are kept after its end.
    """

    name: str
    stages: tuple[Stage, ...]
    keep_ms: int = KEEP_MS_DEFAULT

    def stage(self, name: str) -> Stage:
        """Return the stage of a name that is there."""
        return next(stage for stage in self.stages if stage.name == name)

    @property
    def signal_names(self) -> list[str]:
        """The signals its gates wait for, each once."""
        found = (name for stage in self.stages for name in signal_names_of(stage.gate))
        return list(dict.fromkeys(found))
