"""A worker's crew without processes: one child, and that is this process.

The crew, the host of jobs and every attempt are the real ones; what would travel through pipes is
encoded and decoded all the same. Left out is what only a process can do: functions cannot be
killed, and what they print is not kept with the attempt.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from workers.running.attempt import Attempt
from workers.running.channel import Channel
from workers.running.child_process import ChildProcess, Employer
from workers.running.crew import IN_CHILD, Crew
from workers.running.crew_settings import CrewSettings
from workers.running.echo import Echo
from workers.running.functions import Functions
from workers.running.host import Host
from workers.running.pace import Pace
from workers.running.wire import Begin, FromChild, Loaded, ToChild, pack
from workers.timer import Timer

_LENGTH_BYTES = 4
Place = Callable[[Attempt], Awaitable[object]]
"""Runs a function that is no coroutine somewhere, and returns what that returned."""


class InlineCrew(Crew):
    """All functions run here: coroutines in this loop, others at `place`, or else in threads."""

    def __init__(
        self, settings: CrewSettings, timer: Timer, functions: Functions, place: Place | None
    ) -> None:
        super().__init__(settings, timer, Pace())
        self._inline_functions = functions
        self._place = place

    async def _start_child(self, *, concurrent: bool) -> None:
        child = InlineChild(self, self._inline_functions, self._place)
        self._children.append(child)
        child.open()


class InlineChild(ChildProcess):
    """A child as the crew sees it; it lives in this loop."""

    def __init__(self, employer: Employer, functions: Functions, place: Place | None) -> None:
        super().__init__(employer, Echo(), concurrent=True)
        self._job_functions = functions
        self._channel = InlineChannel(self._hear)
        self._place = place
        self._host: InlineHost | None = None
        self._serving: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Say what functions there are: none needs a process to itself."""
        found = ((name, self._job_functions.find(name)) for name in self._job_functions.names)
        wanted = {name: function.run_in for name, function in found if function is not None}
        told = {name: "thread" if at == IN_CHILD else at for name, at in wanted.items()}
        self._hear(Loaded(told))

    def send(self, messages: Iterable[ToChild]) -> None:
        """See ChildProcess."""
        if self._over.done():
            return
        given = list(messages)
        begins = [message for message in given if isinstance(message, Begin)]
        for wanted in begins:
            self._host = InlineHost(self._job_functions, self._channel, wanted, self._place)
            self._serving = asyncio.create_task(self._host.serve(), name="inline jobs")
        self._channel.ask([message for message in given if not isinstance(message, Begin)])

    def retire(self) -> None:
        """Let it end what it was given, and then end."""
        self.retiring = True
        self._channel.close()
        if self._serving is None:
            self._end("")
        else:
            self._serving.add_done_callback(lambda _: self._end(""))

    def kill(self, reason: str) -> None:
        """Cancel what can be cancelled; `died` is told at once."""
        if self._host is not None:
            self._host.cancel_all()
        self._channel.close()
        self._end(reason)

    def _end(self, reason: str) -> None:
        self.retiring = True
        if self._over.done():
            return
        self._over.set_result(None)
        jobs = list(self.assigned.values())
        self.assigned.clear()
        self._employer.died(self, jobs, reason)

    def _hear(self, message: FromChild) -> None:
        if not self._over.done():
            self._take(pack(message)[_LENGTH_BYTES:])


class InlineChannel(Channel):
    """Both ends of a pipe that is none; answers may come from any thread."""

    def __init__(self, hear: Callable[[FromChild], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._hear = hear
        self._tell: Callable[[list[ToChild] | None], None] | None = None
        self._unheard: list[list[ToChild] | None] = []

    def ask(self, messages: list[ToChild]) -> None:
        """Hand messages to the host; it takes them in the loop's next turn."""
        self._pass_on(messages)

    def close(self) -> None:
        """Tell the host that nothing more comes."""
        self._pass_on(None)

    def send(self, message: FromChild) -> None:
        """See Channel."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._hear, message)

    def listen(self, take: Callable[[list[ToChild] | None], None]) -> None:
        """See Channel."""
        self._tell = take
        for messages in self._unheard:
            take(messages)
        self._unheard.clear()

    def _pass_on(self, messages: list[ToChild] | None) -> None:
        if self._tell is None:
            self._unheard.append(messages)
        else:
            self._tell(messages)


class InlineHost(Host):
    """A host that runs what is no coroutine where it is told to."""

    def __init__(
        self, functions: Functions, channel: Channel, wanted: Begin, place: Place | None
    ) -> None:
        super().__init__(functions, channel, wanted)
        self._place = place

    def cancel_all(self) -> None:
        """Cancel every coroutine that runs."""
        for _, task in self._running.values():
            task.cancel()

    async def _in_thread(self, attempt: Attempt) -> object:
        if self._place is None:
            return await super()._in_thread(attempt)
        return await self._place(attempt)
