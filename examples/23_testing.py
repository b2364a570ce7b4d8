"""Jobs tested without a cluster: the kit runs them here, and time passes when the test says so."""

import logging

from workers import App, Context, Snooze, State
from workers.limits.rule import Rule
from workers.model.job import Job
from workers.schedules.values import Cron, Schedule
from workers.testing.kit import Kit, Stuck

app = App()
sent: list[str] = []


@app.job(queue="mail", attempts_max=3)
def send(to: str) -> str:
    sent.append(to)
    return f"letter to {to}"


@app.job
async def invite(ctx: Context, names: list[str]) -> int:
    for name in names:
        ctx.spawn(send.call(name))
    return len(names)


@app.job
def ask(ctx: Context) -> str:
    if len(sent) < 8:
        raise Snooze(3_600_000)
    return "enough"


def main() -> None:
    logging.getLogger("workers").setLevel(logging.ERROR)  # what fails here fails on purpose
    with Kit(app, start="2026-03-01T08:00:00") as kit:
        print("one:", send.enqueue("ann").result())
        print("spawned:", invite.enqueue(["bob", "eve"]).result(), sent)
        try_again(kit)
        wait_in_line(kit)
        patient = ask.enqueue()
        kit.run()
        print("puts itself off:", patient.status().state is State.LATER)
        every_morning(kit)
        print("asked again:", patient.result())


def try_again(kit: Kit) -> None:
    kit.fail_next("send", ConnectionError("the provider is down"), times=2)
    handle = send.enqueue("joe")
    kit.run()
    print("failed once:", handle.status().state.value, handle.status().attempt)
    try:
        handle.result()
    except Stuck:
        print("needs time")
    kit.advance(seconds=3)
    print("third attempt:", handle.result(), handle.wait().attempt)


def wait_in_line(kit: Kit) -> None:
    kit.limits.set("queue.mail", Rule(rate=1, period_ms=60_000, burst=1))
    app.enqueue_many(send.call(name) for name in ("kim", "lee"))
    kit.run()
    print("parked by the limit:", kit.counts("mail")[State.PARKED])
    kit.advance(minutes=2)
    print("parked later:", kit.counts("mail")[State.PARKED])


def every_morning(kit: Kit) -> None:
    kit.schedules.set(Schedule("news", Job("send", {"to": "all"}), Cron("0 9 * * *"), queue="mail"))
    kit.advance(days=2)
    print("to all:", sent.count("all"))


if __name__ == "__main__":
    main()
