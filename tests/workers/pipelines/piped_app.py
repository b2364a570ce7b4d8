"""Jobs that the tests of pipelines run in real workers; each notes in a file that it ran."""

from pathlib import Path

from workers.app.app import App
from workers.app.context import Context
from workers.gates.conditions import Signal
from workers.pipelines.from_app import listed, template
from workers.pipelines.spec import Collect, ForEach, Pipeline, Stage

app = App("tcp://127.0.0.1:1")


@app.job
def scan(ctx: Context, folder: str, count: int) -> list[int]:
    ctx.spawn(note.call(folder, "added"), stage="later")
    ctx.spawn(note.call(folder, "own"))
    return list(range(count))


@app.job
def note(folder: str, word: str) -> None:
    with Path(folder, "ran").open("a") as ran:
        ran.write(f"{word}\n")


@app.job
def parse(folder: str, number: int) -> int:
    with Path(folder, "ran").open("a") as ran:
        ran.write(f"parse {number}\n")
    return number


@app.job
def merge(folder: str, counts: list[int | None]) -> int:
    with Path(folder, "ran").open("a") as ran:
        ran.write("merge\n")
    return sum(count for count in counts if count is not None)


def squares(folder: str, count: int) -> Pipeline:
    """Return a pipeline that notes everything it runs in a folder."""
    return Pipeline(
        "squares",
        (
            Stage("scan", listed(scan.call(folder, count)), feeds=("later",)),
            Stage("parse", for_each=ForEach("scan", template(parse, folder=folder), "number")),
            Stage("later", after=("scan",)),
            Stage(
                "merge",
                collect=Collect(("parse", "later"), template(merge, folder=folder), "counts"),
                gate=Signal("go"),
            ),
        ),
    )
