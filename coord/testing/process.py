"""One process of an application in a simulated world: an event loop, a real client, coroutines.

Its clock may run fast or slow. It can be stopped and continued, as by a signal, and killed; what
its coroutines would still do then, nobody hears. Every session its client keeps is written down,
with the time until which the process could believe in it.
"""

import math
from collections.abc import Awaitable, Callable

import attrs

from coord.client.client import Client
from coord.client.session import Session
from coord.client.settings import Settings
from coord.testing.lease_checks import SessionRecord
from coord.testing.schedule import Alarm, Schedule
from coord.testing.violation import Violation
from coord.testing.virtual_loop import VirtualLoop
from transport.base import LinkEvent
from transport.memory import MemoryChannel, MemoryDialer, MemoryNetwork

_TURN_MS = 0.05  # from an arrival to the turn that sees it: batches what arrives together
_UNWIND_TURNS_MAX = 1_000  # for what is at work when a process ends
_UNWIND_S = 30.0

Main = Callable[[Client], Awaitable[None]]


class Process:
    """See above; runs `main` with its client as soon as it is made, and closes the client then.

    Args:
        name: its host's, in the network and in the trace.
        schedule: the world's time.
        network: the world's.
        settings: of its client; transport and clock are replaced.
        pace: how fast its clock runs; 1.0 is true time.
        main: what it does.
    """

    def __init__(
        self,
        name: str,
        schedule: Schedule,
        network: MemoryNetwork,
        settings: Settings,
        pace: float,
        main: Main,
    ) -> None:
        self.name = name
        self.sessions: list[SessionRecord] = []
        self.left: list[str] = []
        """What was still at work half a minute after it had ended."""
        self._schedule = schedule
        self._network = network
        self._pace = pace
        self._alarm: Alarm | None = None
        self._paused_ms: float | None = None
        self._resumed_ms = self._stopped_ms = -1.0
        self._ended_ms: float | None = None
        self._own_s = 0.0  # added to the clock of a killed process, which no world drives
        self._dialers: list[MemoryDialer] = []
        self._channels_made = 0
        self._loop = VirtualLoop(self._now_s, self._wake)
        settings = attrs.evolve(settings, make_dialer=lambda: self, clock_s=self._loop.time)
        self.client: Client = _RecordingClient(settings, self)
        self._main = self._loop.create_task(self._live(main))
        self._wake()

    # --- life -------------------------------------------------------------------------------

    @property
    def ended(self) -> bool:
        """Whether it came to its end, or was killed."""
        return self._ended_ms is not None

    @property
    def paused(self) -> bool:
        """Whether it stands still."""
        return self._paused_ms is not None

    @property
    def tasks(self) -> list[str]:
        """Its tasks that have not ended, oldest first: name and coroutine."""
        return [
            f"{task.get_name()} {getattr(task.get_coro(), '__qualname__', '')}"
            for task in self._loop.living
        ]

    @property
    def now_ms(self) -> float:
        """True time; for a process that was killed, when it was."""
        return self._schedule.now_ms if self._ended_ms is None else self._ended_ms

    def pause(self) -> None:
        """Let it do nothing; what arrives waits."""
        if not self.paused and not self.ended:
            self._schedule.note(f"{self.name} stops")
            self._paused_ms = self._schedule.now_ms

    def resume(self) -> None:
        """Let it go on with all that waited."""
        if self._paused_ms is not None and not self.ended:
            self._schedule.note(f"{self.name} goes on")
            self._stopped_ms, self._paused_ms = self._paused_ms, None
            self._resumed_ms = self._schedule.now_ms
            self._turn()

    def kill(self) -> None:
        """End it at once; its connections break."""
        if self.ended:
            return
        self._schedule.note(f"{self.name} is killed")
        self._end()
        self._cancel_all()
        self._unwind()

    def believed_ms(self) -> float:
        """Until when something holds that the process learns just now to be over.

        What it hears in the instant it is continued may have been over since it was stopped.
        """
        now_ms = self.now_ms
        if self._paused_ms is not None:
            return self._paused_ms
        return self._stopped_ms if now_ms == self._resumed_ms else now_ms

    async def _live(self, main: Main) -> None:
        try:
            await main(self.client)
        finally:
            await self.client.close()

    def _end(self) -> None:
        for session in self.sessions:
            self.lost(session.lease)
        self._ended_ms = self._schedule.now_ms
        if self._alarm is not None:
            self._alarm.cancel()
        self.close()

    def _unwind(self) -> None:
        """Let what is still at work come to an end that nobody hears of."""
        turns = 0
        while self._loop.living and turns < _UNWIND_TURNS_MAX:
            turns += 1
            wait_s = self._loop.turn()
            if wait_s is None or self._own_s + wait_s > _UNWIND_S:
                break
            self._own_s += wait_s
        self.left = self.tasks
        self._cancel_all()
        self._loop.turn()
        self._loop.close()

    def _cancel_all(self) -> None:
        for task in list(self._loop.living):
            task.cancel()

    # --- turns ------------------------------------------------------------------------------

    def _now_s(self) -> float:
        return self.now_ms * self._pace / 1_000.0 + self._own_s

    def _wake(self) -> None:
        self._turn_at(self._schedule.now_ms + _TURN_MS)

    def _turn_at(self, due_ms: float) -> None:
        if self.ended:
            return
        if self._alarm is not None and self._alarm.pending:
            if self._alarm.due_ms <= due_ms:
                return
            self._alarm.cancel()
        self._alarm = self._schedule.at(due_ms, self._turn)

    def _turn(self) -> None:
        if self.paused or self.ended:
            return
        wait_s = self._loop.turn()
        if self._main.done():
            self._finish()
        elif wait_s is not None:
            # A little late rather than too early by a rounding error, again and again.
            self._turn_at(self._schedule.now_ms + wait_s * 1_000.0 / self._pace + 0.001)

    def _finish(self) -> None:
        self._schedule.note(f"{self.name} ends")
        self._end()
        self._unwind()
        self._main.result()
        if self.left:
            raise Violation(f"{self.name} ended and left tasks behind: {self.left}")

    # --- the client's transport -------------------------------------------------------------

    def dial(self, address: str) -> "_Channel":
        """See LoopDialer."""
        self._channels_made += 1
        number = self._channels_made
        dialer = self._network.dialer(self.name, lambda: self._loop.readable(number))
        self._dialers.append(dialer)
        channel = _Channel(self, number, address, dialer.dial(address))
        if self.ended:
            self.close()  # whoever was killed reaches nobody any more
        return channel

    def close(self) -> None:
        """See LoopDialer."""
        for dialer in self._dialers:
            dialer.close()
        self._dialers.clear()

    def sent(self, address: str, payload: bytes) -> None:
        """Note what left."""
        self._schedule.note(f"{self.name}>{address}", payload)

    # --- sessions ---------------------------------------------------------------------------

    def kept(self, lease: int, ttl_ms: int) -> None:
        """Note that the client keeps a lease from now on."""
        self.sessions.append(SessionRecord(lease, ttl_ms))

    def lost(self, lease: int) -> None:
        """Note that it keeps it no more."""
        for session in self.sessions:
            if session.lease == lease and session.believed_until_ms is None:
                session.believed_until_ms = self.believed_ms()


class _Channel:
    """A connection of the in-memory network with what an event loop waits on."""

    signals_once = True
    due_ms = math.inf

    def __init__(self, process: Process, number: int, address: str, channel: MemoryChannel) -> None:
        self._process, self._number = process, number
        self._address, self._channel = address, channel

    def filenos(self) -> tuple[int, ...]:
        """See LoopChannel."""
        return (self._number,)

    def send(self, payload: bytes) -> bool:
        """See ClientChannel."""
        if not self._channel.send(payload):
            return False
        self._process.sent(self._address, payload)
        return True

    def receive(self, max_messages: int) -> list[bytes]:
        """See ClientChannel."""
        return self._channel.receive(max_messages)

    def pending(self) -> bool:
        """See ClientChannel."""
        return self._channel.pending()

    def link_events(self) -> list[LinkEvent]:
        """See ClientChannel."""
        return self._channel.link_events()

    def close(self) -> None:
        """See ClientChannel."""
        self._channel.close()


class _RecordingClient(Client):
    """A client that tells its process of the leases it keeps."""

    def __init__(self, settings: Settings, process: Process) -> None:
        super().__init__(settings)
        self._process = process

    def _keep(self, session: Session, sent_ms: float, lose: Callable[[], None]) -> None:
        self._process.kept(session.lease, session.ttl_ms)
        super()._keep(session, sent_ms, lose)

    def _release(self, session: Session) -> None:
        self._process.lost(session.lease)
        super()._release(session)
