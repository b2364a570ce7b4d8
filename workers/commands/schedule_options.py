"""How a schedule is typed on the command line: its options, and the schedule they make."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click
import msgspec
from attrs import frozen

from coord.cli.arguments import SECONDS
from workers.commands.job_options import guess, split_pairs, typed_call
from workers.model.job import Job
from workers.schedules.making import schedule_for
from workers.schedules.values import CatchUp, Cron, Every, Once, Overlap, Rule, Schedule
from workers.schedules.zones import parse_time


class SpanType(click.ParamType):  # type: ignore[type-arg]  # generic only in newer clicks
    """A time in seconds, decimals allowed, kept in milliseconds; 0 takes it away."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return milliseconds."""
        return 0 if value in ("0", 0) else SECONDS.convert(value, param, ctx)


SPAN = SpanType()
_ZONE_ALONE = "--zone goes with --cron, --at and --anchor"
_JOB_FIELDS = ("attempts_max", "soft_limit_ms", "hard_limit_ms", "result_ttl_ms", "limits", "tags")
_OWN_FIELDS = (
    "queue", "priority", "overlap", "catch_up", "catch_up_ms", "jitter_ms", "expires_ms",
)  # fmt: skip


def _option(*names: str, **settings: Any) -> Callable[..., Any]:
    return click.option(*names, **settings)


def _one_of(kind: type[Overlap] | type[CatchUp]) -> dict[str, Any]:
    return {
        "type": click.Choice([each.value for each in kind]),
        "callback": lambda context, parameter, value: None if value is None else kind(value),
    }


_OPTIONS = (
    _option("--cron", metavar="LINE", help="Due as this line says: '*/5 * * * *'."),
    _option("--zone", help="By the clock of this zone: Europe/Berlin. Default: UTC."),
    _option("--every", "every_ms", type=SECONDS, help="Due each so many seconds."),
    _option("--anchor", metavar="TIME", help="With --every: the first due time."),
    _option("--at", metavar="TIME", help="Due once: 2026-12-31T23:00."),
    _option("--job", metavar="NAME", help="What to run."),
    _option("--json", "given", metavar="OBJECT", help="Its arguments as a JSON object."),
    _option("--queue", metavar="NAME", help="Where it waits. Default: the job's, or 'default'."),
    _option("--priority", type=click.IntRange(0, 9), help="Higher runs sooner. Default: 4."),
    _option("--overlap", **_one_of(Overlap), help="While the one before runs. Default: skip."),
    _option("--catch-up", **_one_of(CatchUp), help="Which of those nobody fired. Default: all."),
    _option(
        "--catch-up-window", "catch_up_ms", type=SECONDS, help="Later is missed. Default: 3600."
    ),
    _option("--jitter", "jitter_ms", type=SPAN, help="Fired up to so many seconds later."),
    _option("--expires", "expires_ms", type=SPAN, help="Dropped if not started so long after."),
    _option("--attempts", "attempts_max", type=click.IntRange(1), help="Before it is dead."),
    _option("--soft-limit", "soft_limit_ms", type=SPAN, help="Asked to end after so long."),
    _option("--hard-limit", "hard_limit_ms", type=SPAN, help="Killed after so long."),
    _option("--keep", "result_ttl_ms", type=SPAN, help="How long its ending is kept."),
    _option("--limit", "limits", multiple=True, help="The name of a limit. May be repeated."),
    _option("--tag", "tags", multiple=True, help="A word for whoever looks. May be repeated."),
)


def schedule_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add every option of a schedule."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@frozen
class Said:
    """What a command line says of a schedule."""

    name: str
    app: str | None
    arguments: Sequence[str]
    options: Mapping[str, Any]

    def schedule(self, old: Schedule | None) -> Schedule:
        """Return the schedule: the old one with what was said, or a new one.

        Raises:
            UsageError: too little was said, or what excludes another.
            Misuse: it makes no sense.
        """
        rule = self._rule(None if old is None else old.rule)
        made = self._from_app(rule, old) if self.app else self._made(rule, old)
        changes = {
            field: self.options[field] for field in _OWN_FIELDS if self.options[field] is not None
        }
        return msgspec.structs.replace(made, **changes)

    def _made(self, rule: Rule, old: Schedule | None) -> Schedule:
        job = self._job(None if old is None else old.job)
        if old is None:
            return Schedule(self.name, job, rule)
        return msgspec.structs.replace(old, job=job, rule=rule)

    def _from_app(self, rule: Rule, old: Schedule | None) -> Schedule:
        """Return it with the job checked by the application, whose options hold."""
        name = self.options["job"] or (old.job.name if old else None)
        if name is None:
            raise click.UsageError("--job: what shall it run?")
        assert self.app is not None
        changes: Any = self._job_changes()
        call = typed_call(name, self.app, self.arguments, self.options["given"], changes)
        made = schedule_for(self.name, rule, call.new_job(0))
        if old is None:
            return made
        return msgspec.structs.replace(
            old, rule=rule, job=made.job, queue=made.queue, expires_ms=made.expires_ms
        )

    def _job(self, old: Job | None) -> Job:
        name = self.options["job"] or (old.name if old else None)
        if name is None:
            raise click.UsageError("--job: what shall it run?")
        args: dict[str, object] = {} if old is None else old.args
        texts, given = split_pairs(self.arguments), self.options["given"]
        if given is not None and texts:
            raise click.UsageError("--json and NAME=VALUE exclude another")
        if given is not None:
            args = guess(given)
            if not isinstance(args, dict):
                raise click.UsageError("--json: an object of arguments by name")
        elif texts:
            args = {each: guess(texts[each]) for each in texts}
        return msgspec.structs.replace(
            old or Job(name), name=name, args=args, **self._job_changes()
        )

    def _job_changes(self) -> dict[str, Any]:
        said = ((field, self.options[field]) for field in _JOB_FIELDS)
        return {field: value for field, value in said if value not in (None, ())}

    def _rule(self, old: Rule | None) -> Rule:
        cron, every_ms, at = (self.options[each] for each in ("cron", "every_ms", "at"))
        zone, anchor = self.options["zone"], self.options["anchor"]
        if sum(each is not None for each in (cron, every_ms, at)) > 1:
            raise click.UsageError("--cron, --every and --at exclude another")
        if anchor is not None and every_ms is None:
            raise click.UsageError("--anchor goes with --every")
        if cron is not None:
            old_zone = old.zone if isinstance(old, Cron) else "UTC"
            return Cron(" ".join(cron.split()), zone or old_zone)
        if every_ms is not None:
            if zone is not None and anchor is None:
                raise click.UsageError(_ZONE_ALONE)
            return Every(every_ms, parse_time(anchor, zone or "UTC") if anchor else 0)
        if at is not None:
            return Once(parse_time(at, zone or "UTC"))
        if old is None:
            raise click.UsageError("when is it due? One of --cron, --every, --at")
        if zone is not None:
            if not isinstance(old, Cron):
                raise click.UsageError(_ZONE_ALONE)
            return Cron(old.line, zone)
        return old
