"""The elected builder: of all workers the one that takes from the queue of merges.

It does so while it is in office, and stops at once when it is not. A builder that was replaced
without knowing does no harm: what it recorded of a job that is in other hands is refused.
"""

import asyncio

import structlog

from recipes.election import Election
from recipes.port import KeptLease
from workers.demo.index import keys
from workers.demo.index.app import app
from workers.port import JobClient
from workers.running.crew_settings import CrewSettings
from workers.running.notice import Urgency
from workers.running.settings import WorkerSettings
from workers.running.tally import Tally
from workers.running.worker import Worker

log = structlog.get_logger("builder")


async def build_when_elected(
    client: JobClient, session: KeptLease, name: str, crew: CrewSettings, ttl_ms: int, tally: Tally
) -> None:
    """Stand for builder; in office, run merges until the office ends.

    Raises:
        SessionLost: the session ended; campaign again under a new one.
    """
    leadership = await Election(client, keys.OFFICE).campaign(session, name)
    log.info("elected", worker=name, token=leadership.token)
    settings = WorkerSettings(
        name=f"{name}.builder",
        crew=crew,
        queues=(keys.BUILD_QUEUE,),
        ttl_ms=ttl_ms,
        places=app.places,
        steward=False,
    )
    worker = Worker(client, settings)
    worker.tally = tally
    working = asyncio.create_task(worker.run())
    ending = asyncio.create_task(leadership.ended())
    try:
        await asyncio.wait((working, ending), return_when=asyncio.FIRST_COMPLETED)
    finally:
        worker.notice.give(Urgency.NOW)
        ending.cancel()
        await asyncio.gather(working, ending, return_exceptions=True)
