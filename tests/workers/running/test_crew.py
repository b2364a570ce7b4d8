"""The crew of children: how it takes the death of one that had done nothing."""

import asyncio
import os
import signal

import pytest

from coord.testing.local import in_loop
from workers.running.crew import RESTART_S, Crew
from workers.running.crew_settings import CrewSettings
from workers.running.pace import Pace
from workers.timer import WallTimer

pytestmark = pytest.mark.integration


@in_loop
async def test_a_child_that_dies_new_and_idle_is_not_followed_by_the_next_at_once(
    app: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    crew = Crew(CrewSettings(app), WallTimer(), Pace())
    await crew.start()
    delays: asyncio.Queue[float] = asyncio.Queue()
    monkeypatch.setattr(crew, "_spawn_child", lambda _, delay_s: delays.put_nowait(delay_s))
    for pid in crew.pids:
        os.kill(pid, signal.SIGKILL)
    assert await asyncio.wait_for(delays.get(), 20) == RESTART_S
    await crew.stop()
