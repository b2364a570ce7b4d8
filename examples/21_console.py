"""A console: a program that edits a schedule while workers run, sees it act, and takes it back."""

import asyncio
import sys
import time
from asyncio.subprocess import DEVNULL
from pathlib import Path

from coord import aio
from workers import App, JobStore
from workers.schedules.making import schedule_for
from workers.schedules.store import ScheduleStore
from workers.schedules.values import Cron, Every, Once, Overlap, Rule, Schedule

HERE, SPACE = Path(__file__), "examples/console/"
COORD = (sys.executable, "-m", "coord.cli")
WORKER = (*COORD, "worker", "start", "-A", f"{HERE.stem}:app", "-c", "1", "--space", SPACE)
app = App(space=SPACE)


@app.job
def greet(who: str) -> str:
    return f"good morning, {who}"


def greeting(rule: Rule, who: str) -> Schedule:
    return schedule_for("greeting", rule, greet.call(who).new_job(0), overlap=Overlap.ALLOW)


async def main() -> None:
    async with aio.connect() as client:
        await client.delete(SPACE, prefix=True)
        schedules = ScheduleStore(client, app.places)
        await schedules.set(greeting(Cron("0 7 * * MON-FRI", "Europe/Berlin"), "ann"), by="ann")
        worker = await asyncio.create_subprocess_exec(*WORKER, cwd=HERE.parent, stderr=DEVNULL)
        await until_there_is_a_steward(schedules)
        await edit(schedules, JobStore(client, app.places))
        worker.terminate()
        await worker.wait()


async def edit(schedules: ScheduleStore, jobs: JobStore) -> None:
    firings = schedules.new_firings("greeting")
    fired = asyncio.ensure_future(anext(firings))
    pushed_s = time.monotonic()
    await schedules.set(greeting(Every(200), "bob"), by="bob", why="too early")
    job_id = (await fired).job_id
    print("fired within a second:", time.monotonic() - pushed_s < 1)
    ending = await jobs.wait(job_id)
    print(ending.state.value, bytes(ending.result).decode())
    await firings.aclose()

    await schedules.undo("greeting", by="ann", why="no")
    schedule = (await schedules.find("greeting")).schedule
    print("again", schedule.rule, schedule.job.args)
    for version in await schedules.history("greeting"):
        edit = version.edit
        print(version.number, edit.by, edit.what, edit.why or "-")


async def until_there_is_a_steward(schedules: ScheduleStore) -> None:
    firings = schedules.new_firings("first")
    now_unix_ms = time.time_ns() // 1_000_000
    fired = asyncio.ensure_future(anext(firings))
    once = schedule_for("first", Once(now_unix_ms + 100), greet.call("all").new_job(0))
    await schedules.set(once)
    await fired
    await firings.aclose()


if __name__ == "__main__":
    asyncio.run(main())
