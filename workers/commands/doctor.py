"""`coord doctor`: look for what is wrong, say it in words, and pack it up for somebody else."""

from pathlib import Path

import click

from coord.cli.exits import ExitCode
from coord.cli.output import Format, print_json, print_table, write_out
from coord.errors import NotDone
from workers.commands.job_store import with_job_store
from workers.overview.facts import find_facts
from workers.overview.findings import findings, is_healthy
from workers.overview.report import document, lines, write_archive
from workers.store.jobs import JobStore


@click.command(name="doctor")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Also write a report to this .tar.gz.",
)
@click.option(
    "--with-values",
    is_flag=True,
    help="Tell users' data, too: arguments and results of jobs, causes, messages, reasons.",
)
@write_out()
@with_job_store
async def doctor(store: JobStore, form: Format, out: Path | None, with_values: bool) -> None:
    """Look at members, workers, queues, schedules and limits, and say what is wrong.

    Ends with 0 when there are no findings but notes, with 1 otherwise. Reads only.

    \b
    Example:
        coord doctor
        coord doctor --out report.tar.gz
    """
    facts = await find_facts(store)
    found = findings(facts)
    endpoints = click.get_current_context().params.get("endpoints")
    report = document(facts, found, endpoints, with_values=with_values)
    if form is Format.JSON:
        print_json(report)
    elif form is Format.TABLE:
        rows = ((each.severity.value, each.about, each.text) for each in found)
        print_table(("severity", "about", "finding"), rows)
    else:
        for line in lines(found, with_values=with_values):
            click.echo(line)
    if out is not None:
        try:
            write_archive(out, list(lines(found, with_values=with_values)), report)
        except OSError as error:
            raise NotDone(f"{out} cannot be written: {error.strerror}") from None
        click.echo(f"wrote {out}", err=True)
    if not is_healthy(found):
        raise click.exceptions.Exit(ExitCode.NOT_DONE)
