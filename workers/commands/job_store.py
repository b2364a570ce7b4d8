"""How a command of the job framework reaches its jobs: a client, and the space they are in."""

import functools
from collections.abc import Callable, Coroutine
from typing import Any, cast

import click

from coord.client.ops import key_bytes
from recipes.commands.connection import with_aio_client
from recipes.port import SessionStore
from workers.model.ids import JobId
from workers.model.places import SPACE_DEFAULT, Places
from workers.port import JobClient
from workers.store.jobs import JobStore

Command = Callable[..., Coroutine[Any, Any, None]]


def with_job_store(command: Command) -> Callable[..., int]:
    """Give a coroutine a JobStore, and the options that choose cluster and space; run it."""

    @click.option(
        "--space",
        default=SPACE_DEFAULT.decode(),
        show_default=True,
        help="The prefix of all keys of the jobs; that of the application.",
    )
    @with_aio_client
    @functools.wraps(command)
    async def run(client: SessionStore, *args: Any, space: str, **kwargs: Any) -> None:
        # The clients that commands are given make leases too; the recipes' port does not say so.
        store = JobStore(cast("JobClient", client), Places(key_bytes(space)))
        await command(store, *args, **kwargs)

    return run


class JobIdType(click.ParamType):  # type: ignore[type-arg]  # generic only in newer clicks
    """A job's id, as every command shows it."""

    name = "job id"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> JobId:
        """Return the id; Misuse where it is none."""
        return value if isinstance(value, JobId) else JobId.parse(value)


JOB_ID = JobIdType()
