"""`coord demo index`: the whole product at work, checked, in one command."""

import asyncio
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import click
import msgspec

from coord.cli.exits import ExitCode
from workers.demo.index.corpus import default_root, text_files
from workers.demo.index.director import VICTIMS, DemoSettings, Director
from workers.demo.index.display import make_display
from workers.demo.index.keys import Root
from workers.demo.index.summary import Summary, in_words


@click.command(name="index")
@click.option(
    "--corpus",
    type=click.Path(path_type=Path, exists=True, file_okay=False, resolve_path=True),
    help="Folder whose text files are indexed. Default: the source files of this Python's"
    " standard library.",
)
@click.option("--pattern", default="*", show_default=True, help="Which files of --corpus count.")
@click.option(
    "--nodes", type=click.IntRange(1, 9), default=3, show_default=True, help="Cluster members."
)
@click.option(
    "--workers", type=click.IntRange(1, 64), default=4, show_default=True, help="Worker processes."
)
@click.option(
    "--victim",
    type=click.Choice(VICTIMS),
    default="builder",
    show_default=True,
    help="Which worker is killed on the way: the elected builder, another, or none.",
)
@click.option(
    "-w",
    "--write-out",
    "form",
    type=click.Choice(("simple", "json")),
    default="simple",
    show_default=True,
    help="How the summary is written.",
)
@click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False, resolve_path=True),
    help="Work in this folder, which must be empty or new, and leave everything there.",
)
@click.option(
    "--deadline",
    "deadline_s",
    type=click.FloatRange(min=1),
    default=180.0,
    show_default=True,
    help="Seconds after which the run counts as failed.",
)
def index(
    corpus: Path | None,
    pattern: str,
    nodes: int,
    workers: int,
    victim: str,
    form: str,
    keep: Path | None,
    deadline_s: float,
) -> int:
    """Build a search index on a cluster while its machines are being killed.

    Starts nodes and workers as processes, and a pipeline: scan the corpus, parse it in batches
    under leases, and, when a gate says that every batch is there, have the elected builder merge
    the index and publish it; each worker learns of that by watch and fetches it. Then the corpus
    changes, and a schedule edited on the fly starts a second build; a third of the way the leading
    node and a worker are killed with -9. Both indexes are held against a direct count. Exit code 0
    only if everything is there.

    \b
    Example:
        coord demo index --workers 4 --victim helper -w json
    """
    root = default_root() if corpus is None else Root(str(corpus), pattern)
    if not text_files(root):
        raise click.UsageError(f"no text files {root.pattern} under {root.path}")
    with ExitStack() as stack:
        directory = _work_in(keep, stack)
        settings = DemoSettings(root, directory, nodes, workers, victim, deadline_s)
        display = stack.enter_context(make_display(sys.stderr.isatty()))
        summary = asyncio.run(_run(Director(settings, display)))
    if form == "json":
        click.echo(msgspec.json.encode(summary))
    else:
        for line in in_words(summary):
            click.echo(line)
        if keep is not None:
            click.echo(f"kept: {keep}")
    return ExitCode.OK if summary.complete else ExitCode.NOT_DONE


async def _run(director: Director) -> Summary:
    """Run; TERM unwinds it as Ctrl-C does, so that no process is left."""
    running = asyncio.ensure_future(director.run())
    terminated = asyncio.Event()

    def on_term() -> None:
        terminated.set()
        running.cancel()

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, on_term)
    try:
        return await running
    except asyncio.CancelledError:
        if terminated.is_set():
            sys.exit(ExitCode.TERMINATED)
        raise


def _work_in(keep: Path | None, stack: ExitStack) -> Path:
    if keep is None:
        return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="coord-demo-")))
    keep.mkdir(parents=True, exist_ok=True)
    if any(keep.iterdir()):
        raise click.UsageError(f"{keep} is not empty")
    return keep
