"""A holder killed, frozen or cut off: when the next one holds, and what the old one still can.

    python -m tests.bench.holder_faults

A cluster of three real nodes; the holder, of a lock or of an office, is a process with a lease of
one second. Its connections run through relays, so that it can be cut from all nodes at once while
everybody else is not. Exit code 0: the next one held within the lease and a second, the old one
knew before or as soon as it ran again, and its guarded write was refused.
"""

import asyncio
import json
import signal
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import attrs
import click

from coord import aio, ops
from coord.testing.local_cluster import started_cluster
from coord.testing.relay import Relay
from recipes.live import Live
from tests.bench.holder import TTL_MS, effect_key, hold

KINDS = ("lock", "office")
FAULTS = ("killed", "frozen", "cut off")
SLACK_S = 1.0  # beyond the lease, for the next one to hold
TOLD_SLACK_S = 0.5  # for the old one to know, once it runs
PATIENCE_S = 30.0


@attrs.frozen
class Outcome:
    """What came of one fault."""

    kind: str
    fault: str
    successor_s: float
    """From the fault until the next one held."""
    told_s: float | None
    """Until the old holder knew: from the fault, or from when it ran again; killed, it never is."""
    ahead_s: float | None
    """How long before the next one held the old one knew; negative: after."""
    stale_refused: bool
    """Whether what the old holder wrote under guard was refused, or it was dead."""
    effect: str
    """What stands in the end where both wrote."""

    @property
    def is_good(self) -> bool:
        """Whether everything is as promised."""
        in_time = self.successor_s <= TTL_MS / 1000 + SLACK_S
        if self.fault == "frozen":
            told = self.told_s is not None and self.told_s <= TOLD_SLACK_S
        elif self.fault == "cut off":
            told = self.ahead_s is not None and self.ahead_s >= -TOLD_SLACK_S
        else:
            told = True
        return in_time and told and self.stale_refused and self.effect == "fresh"

    def to_line(self) -> str:
        """Return one line of the table."""
        told = "-" if self.told_s is None else f"{self.told_s:.2f} s"
        ahead = "-" if self.ahead_s is None else f"{self.ahead_s:+.2f} s"
        return (
            f"{self.kind:8}{self.fault:9}{self.successor_s:>9.2f} s{told:>11}{ahead:>13}"
            f"{'yes' if self.stale_refused else 'NO':>9}   {'' if self.is_good else 'NOT MET'}"
        )


HEAD = f"{'held':8}{'holder':9}{'successor':>11}{'told after':>11}{'told before':>13}{'refused':>9}"


class Holder:
    """The process that holds, and the relays it goes through."""

    def __init__(self, process: Process, relays: Sequence[Relay]) -> None:
        self._process = process
        self._relays = relays

    async def said(self, what: str) -> str:
        """Wait for the line that begins with `what`, and return the rest of it."""
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            line = (await self._process.stdout.readline()).decode().split()
        assert line[:1] == [what], f"{what!r} expected, got {line}"
        return line[1]

    def go_on(self) -> None:
        """Let it write."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"go on\n")

    def strike(self, fault: str) -> None:
        """Let the fault happen."""
        if fault == "cut off":
            for relay in self._relays:
                relay.cut()
        else:
            self._process.send_signal(signal.SIGKILL if fault == "killed" else signal.SIGSTOP)

    def mend(self, fault: str) -> None:
        """End the fault, as far as it ends."""
        if fault == "cut off":
            for relay in self._relays:
                relay.heal()
        elif fault == "frozen":
            self._process.send_signal(signal.SIGCONT)

    async def close(self) -> None:
        """End the process if it still runs."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()


async def started_holder(stack: AsyncExitStack, kind: str, name: str, endpoints: str) -> Holder:
    """Start a holder behind relays; both end with `stack`."""
    relays = [await stack.enter_async_context(Relay(address)) for address in endpoints.split(",")]
    via = json.dumps({relay.target: relay.address for relay in relays})
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.holder", kind, name, endpoints, via),
        stdin=PIPE,
        stdout=PIPE,
    )
    holder = Holder(process, relays)
    stack.push_async_callback(holder.close)
    return holder


async def struck(endpoints: str, kind: str, fault: str, number: int = 0) -> Outcome:
    """Let a fault hit a holder while somebody waits behind it."""
    name = f"holders/{kind}-{fault.replace(' ', '-')}-{number}"
    async with AsyncExitStack() as stack:
        holder = await started_holder(stack, kind, name, endpoints)
        old_token = int(await holder.said("holds"))
        client = await stack.enter_async_context(aio.connect(endpoints, timeout_ms=30_000))
        session = await stack.enter_async_context(client.session(10_000))
        waiting = asyncio.create_task(hold(client, session, kind, name))
        async with Live(client, f"{name}/") as line:
            await line.until(lambda: len(line.keys) == 2)

        began_s = time.monotonic()
        holder.strike(fault)
        async with asyncio.timeout(PATIENCE_S):
            held = await waiting
        held_s = time.monotonic()
        assert held.token > old_token
        reply = await client.txn([held.guard()], [ops.put(effect_key(name), "fresh")])
        assert reply.succeeded

        mended_s = time.monotonic()
        holder.mend(fault)
        told_s = ahead_s = None
        stale_refused = True
        if fault != "killed":
            told_at_s = float(await holder.said("told"))
            told_s = told_at_s - (mended_s if fault == "frozen" else began_s)
            ahead_s = held_s - told_at_s
            holder.go_on()
            stale_refused = await holder.said("wrote") == "False"
        effect = (await client.get(effect_key(name))).kvs[0].value.decode()
    return Outcome(kind, fault, held_s - began_s, told_s, ahead_s, stale_refused, effect)


@click.command()
@click.option("--rounds", type=click.IntRange(1), default=1, help="How often each fault strikes.")
@click.option("-w", "form", type=click.Choice(["table", "json"]), default="table")
def main(rounds: int, form: str) -> None:
    """Let each fault strike the holder of a lock and of an office."""
    found = []
    if form == "table":
        click.echo(HEAD)
    with (
        tempfile.TemporaryDirectory(prefix="coord-holders-") as folder,
        started_cluster(Path(folder)) as cluster,
    ):
        for kind in KINDS:
            for number, fault in enumerate(FAULTS * rounds):
                found.append(asyncio.run(struck(cluster.endpoints, kind, fault, number)))
                if form == "table":
                    click.echo(found[-1].to_line())
    if form == "json":
        click.echo(json.dumps([attrs.asdict(one) for one in found]))
    sys.exit(0 if all(one.is_good for one in found) else 1)


if __name__ == "__main__":
    main()
