"""A batch in stages: one job per file found, one that joins all results, a person's word, the end.

The steward, one of the workers, moves it on as soon as something it waits for has come.
"""

import asyncio
import sys
from asyncio.subprocess import DEVNULL
from pathlib import Path

from coord import aio
from workers import App
from workers.pipelines import Collect, ForEach, Pipeline, Signal, Stage, listed, template
from workers.pipelines.progress import PipelineProgress
from workers.pipelines.run import StageState
from workers.pipelines.store import PipelineStore

HERE, SPACE = Path(__file__), "examples/batch/"
COORD = (sys.executable, "-m", "coord.cli")
WORKER = (*COORD, "worker", "start", "-A", f"{HERE.stem}:app", "-c", "2", "--space", SPACE)
app = App(space=SPACE)


@app.job
def find(folder: str) -> list[str]:
    return [f"{folder}/{name}.txt" for name in ("ann", "bob", "eve")]


@app.job
def count(file: str) -> int:
    return len(file)


@app.job
def add(counts: list[int]) -> int:
    return sum(counts)


@app.job
def publish(total: int) -> str:
    return f"published {total}"


BATCH = Pipeline(
    "letters",
    (
        Stage("find", listed(find.call("in"))),
        Stage("count", for_each=ForEach("find", template(count), "file")),
        Stage("add", collect=Collect(("count",), template(add), "counts")),
        Stage("publish", for_each=ForEach("add", template(publish), "total"), gate=Signal("go")),
    ),
)


async def main() -> None:
    async with aio.connect() as client:
        await client.delete(SPACE, prefix=True)
        worker = await asyncio.create_subprocess_exec(*WORKER, cwd=HERE.parent, stderr=DEVNULL)
        await run(PipelineStore(client, app.places))
        worker.terminate()
        await worker.wait()


async def run(pipelines: PipelineStore) -> None:
    made = await pipelines.start(BATCH)
    async with PipelineProgress(pipelines.site.client, app.places, made) as progress:
        while progress.run is None or progress.run.stages["add"].state is not StageState.DONE:
            await progress.change()
        print(progress.rollup)
    waits_for = (await pipelines.explain(made)).stage("publish").waits_for
    for part in waits_for.parts if waits_for else ():
        print("yes" if part.holds else "no ", part.condition)
    await pipelines.signal(made, "go", "looks right", by="ann")
    ended = await pipelines.wait(made)
    print(ended.state.value, [each async for each in pipelines.results(made, "publish")])


if __name__ == "__main__":
    asyncio.run(main())
