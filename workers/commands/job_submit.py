"""`coord job submit`: enqueue one job."""

from collections.abc import Callable, Sequence
from typing import Any

import click

from coord.cli.arguments import SECONDS
from coord.cli.output import Format, print_json, print_table, write_out
from workers.commands.application import app_option
from workers.commands.job_options import option_changes, typed_call
from workers.commands.job_store import with_job_store
from workers.store.jobs import JobStore
from workers.store.new import WhenTaken


def _option(*names: str, **settings: Any) -> Callable[..., Any]:
    return click.option(*names, **settings)


_OPTIONS = (
    _option("--queue", metavar="NAME", help="Where it waits. Default: the job's, or 'default'."),
    _option("--priority", type=click.IntRange(0, 9), help="Higher runs sooner. Default: 4."),
    _option("--delay", "delay_ms", type=SECONDS, help="Not to be started before so many seconds."),
    _option("--at", metavar="TIME", help="Not to be started before: 2026-12-31T23:00."),
    _option(
        "--expires", "expires_after_ms", type=SECONDS, help="Not to be started so many seconds on."
    ),
    _option("--attempts", "attempts_max", type=click.IntRange(1), help="Before it is dead."),
    _option("--soft-limit", "soft_limit_ms", type=SECONDS, help="Asked to end after so long."),
    _option("--hard-limit", "hard_limit_ms", type=SECONDS, help="Killed after so long."),
    _option("--keep", "result_ttl_ms", type=SECONDS, help="How long its ending is kept."),
    _option("--limit", "limits", multiple=True, help="The name of a limit. May be repeated."),
    _option("--tag", "tags", multiple=True, help="A word for whoever looks. May be repeated."),
    _option("--unique", "unique_key", metavar="KEY", help="'args', a key, or a template: {user}."),
    _option("--unique-for", "unique_for_ms", type=SECONDS, help="The key stands so long."),
    _option(
        "--when-taken",
        "unique_policy",
        type=click.Choice([policy.value for policy in WhenTaken]),
        help="What becomes of it when its key is taken. Default: reject.",
    ),
)


def _job_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.command(name="submit")
@click.argument("name")
@click.argument("arguments", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--json", "given", metavar="OBJECT", help="The arguments as a JSON object, instead.")
@app_option(required=False)
@_job_options
@write_out()
@with_job_store
async def submit(
    store: JobStore,
    form: Format,
    name: str,
    arguments: Sequence[str],
    given: str | None,
    app: str | None,
    **said: Any,
) -> None:
    """Enqueue the job NAME and print its id.

    With -A, name and arguments are checked, and read as the function is annotated; its options
    hold where none is said here. Without, a value is taken as JSON if it is any, else as text.

    \b
    Example:
        coord job submit send to=ann@example.org -A shop.jobs:app
        coord job submit resize --json '{"path": "a.png", "widths": [100, 200]}' --queue images
        coord job wait "$(coord job submit send to=ann --delay 60)"
    """
    call = typed_call(name, app, arguments, given, option_changes(said))
    new = call.new_job(store.site.timer.now_unix_ms())
    job_id = await store.enqueue(new.queue, new.job, new.priority, new.when_taken)
    if form is Format.JSON:
        print_json({"id": str(job_id), "queue": job_id.queue, "name": name})
    elif form is Format.TABLE:
        print_table(("id", "queue", "name"), [(str(job_id), job_id.queue, name)])
    else:
        click.echo(str(job_id))
