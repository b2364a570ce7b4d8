"""A worker: an application of job functions, a process that runs them, and a program that asks."""

import subprocess
import sys
from pathlib import Path

from workers import App, Backoff, Context, JobFailed

HERE, SPACE = Path(__file__), "examples/worker/"
COORD = (sys.executable, "-m", "coord.cli")
WORKER = (*COORD, "worker", "start", "-A", f"{HERE.stem}:app", "-c", "2", "--space", SPACE)
app = App(space=SPACE)


@app.job
def charge(order: int, cents: int) -> str:
    return f"order {order}: {cents / 100:.2f}"


@app.job(attempts_max=3, backoff=Backoff(base_ms=10, jitter=0.0))
def flaky(context: Context) -> int:
    if context.attempt < 2:
        raise RuntimeError("the first attempt never works")
    return context.attempt


@app.job(attempts_max=1)
def broken() -> None:
    raise ValueError("for good")


@app.job
async def add(first: int, second: int) -> int:
    return first + second


def main() -> None:
    worker = subprocess.Popen(WORKER, cwd=HERE.parent, stderr=subprocess.DEVNULL)
    try:
        print(charge.enqueue(7, cents=4200).result(timeout_s=60))
        print("attempts:", flaky.enqueue().result(timeout_s=60))
        try:
            broken.enqueue().result(timeout_s=60)
        except JobFailed as failure:
            print(failure.ending.state.value, failure.ending.cause.splitlines()[-1])

        many = app.enqueue_many(add.call(number, second=1) for number in range(100))
        print("sum of 100 results:", sum(handle.result(timeout_s=60) for handle in many))

        later = charge.options(delay_ms=1000).enqueue(8, 100)
        print(later.status().state.value, "->", later.result(timeout_s=60))
    finally:
        worker.terminate()
        worker.wait()
        app.close()


if __name__ == "__main__":
    main()
