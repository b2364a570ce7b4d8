"""Worker processes: started, killed, stopped and continued, each under a name of its own."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from attrs import define

from workers.chaos import jobs
from workers.chaos.plan import Plan


@define
class Member:
    """One worker process."""

    name: str
    process: subprocess.Popen[bytes]
    stopped: bool = False

    @property
    def is_alive(self) -> bool:
        """Whether it runs, stopped or not."""
        return self.process.poll() is None

    @property
    def children(self) -> list[int]:
        """The processes it runs jobs in."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        try:
            return [int(pid) for pid in path.read_text().split()]
        except FileNotFoundError:
            return []


class Fleet:
    """All worker processes of a campaign."""

    def __init__(self, plan: Plan, endpoints: str, folder: Path) -> None:
        self.members: list[Member] = []
        self.effects = folder / "effects"
        self.log = folder / "workers.log"
        self._plan = plan
        self._endpoints = endpoints
        self._started = 0

    def start(self) -> Member:
        """Start one more."""
        self._started += 1
        name = f"w{self._started}"
        command = [sys.executable, "-m", "coord.cli", "worker", "start", "-n", name]
        command += ["-A", "workers.chaos.jobs:app", "-c", str(self._plan.slots), "--fair"]
        command += ["-Q", f"{jobs.QUEUE},{jobs.PACED_QUEUE}", "--ttl", str(self._plan.ttl_s)]
        command += ["--grace", "2", "--endpoints", self._endpoints]
        environment = {**os.environ, jobs.EFFECTS: str(self.effects)}
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        member = Member(name, process)
        self.members.append(member)
        return member

    def kill(self, member: Member) -> None:
        """Kill one on the spot, and start another in its place."""
        member.process.kill()
        member.process.wait()
        self.members.remove(member)
        self.start()

    def stop(self, member: Member) -> None:
        """Freeze one."""
        member.process.send_signal(signal.SIGSTOP)
        member.stopped = True

    def go_on(self, member: Member) -> None:
        """Let one go on."""
        member.process.send_signal(signal.SIGCONT)
        member.stopped = False

    def replace_dead(self) -> int:
        """Start others for those that ended by themselves; return how many did."""
        dead = [member for member in self.members if not member.is_alive]
        for member in dead:
            self.members.remove(member)
            self.start()
        return len(dead)

    def end(self) -> None:
        """End all of them."""
        for member in self.members:
            member.process.send_signal(signal.SIGCONT)
            member.process.terminate()
        for member in self.members:
            try:
                member.process.wait(15)
            except subprocess.TimeoutExpired:
                member.process.kill()
                member.process.wait()
