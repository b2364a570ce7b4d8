"""What the steward knows of the pipelines that live: their runs, and their jobs counted.

All of it follows the store by two watches; nothing is asked again and again. Counts may be behind
the runs or ahead of them; `plan` says why that does no harm.
"""

import asyncio

from coord.client import ops
from coord.errors import Misuse
from coord.model import Event, KeyValue
from coord.requests import Compare
from recipes.mirror import Mirror, read_all
from recipes.port import KeyStore, next_batch, only
from workers.gates.given import Given, decode_given
from workers.pipelines.codec import decode_pipeline
from workers.pipelines.places import PipelinePlaces
from workers.pipelines.plan import Facts
from workers.pipelines.spec import Pipeline
from workers.pipelines.tally import FollowedTallies, Tallies

ID_CHARS = 20


class View:
    """Follow with `follow_runs` and `follow_groups` as tasks."""

    def __init__(self, client: KeyStore, places: PipelinePlaces, runs: Mirror) -> None:
        """Prepare.

        Args:
            client: whom to ask.
            places: of the pipelines.
            runs: a mirror of `places.live`, entered.
        """
        self._client = client
        self._places = places
        self._runs = runs
        self._tallies: dict[str, FollowedTallies] = {}
        self._specs: dict[str, Pipeline] = {}
        self._changed: set[str] = {self._id_of(key) for key in runs.keys}
        self.news = asyncio.Event()

    def take_changed(self) -> list[str]:
        """Return the pipelines of which something is new since this was asked last."""
        changed, self._changed = sorted(self._changed), set()
        self.news.clear()
        return changed

    def look_again(self, pipeline: str) -> None:
        """Count a pipeline among those of which something is new."""
        self._changed.add(pipeline)
        self.news.set()

    def run(self, pipeline: str) -> KeyValue | None:
        """Return the key that says how far a pipeline is; None once it has ended."""
        return self._runs.keys.get(self._places.run(pipeline))

    async def spec(self, pipeline: str) -> Pipeline | None:
        """Return what a pipeline is; None where that is gone or unreadable."""
        if pipeline not in self._specs:
            kv = only(await self._client.get(self._places.spec(pipeline)))
            if kv is None:
                return None
            try:
                self._specs[pipeline] = decode_pipeline(kv.value)
            except Misuse:
                return None
        return self._specs[pipeline]

    async def tallies(self, pipeline: str) -> FollowedTallies:
        """Return the counts of a pipeline's jobs; read the first time they are asked for."""
        tallies = self._tallies.get(pipeline)
        if tallies is None:
            groups = self._places.groups(pipeline)
            # Known to the watch before it is read, so that no change falls in between.
            tallies = self._tallies[pipeline] = FollowedTallies(groups)
            found, revision = await read_all(self._client, groups, prefix=True)
            tallies.read(found.values(), revision)
        return tallies

    def facts(self, pipeline: str, spec: Pipeline, tallies: Tallies, now_unix_ms: int) -> Facts:
        """Return what is known of a pipeline beside its run."""
        cancel = self._runs.keys.get(self._places.cancel(pipeline))
        return Facts(
            tallies.of,
            self._signals(pipeline, spec),
            None if cancel is None else cancel.value.decode(errors="replace"),
            now_unix_ms,
        )

    def forget(self, pipeline: str) -> None:
        """Drop what is known of a pipeline that has ended."""
        self._tallies.pop(pipeline, None)
        self._specs.pop(pipeline, None)

    async def follow_runs(self) -> None:
        """Take changes of the runs in, until cancelled."""
        while True:
            self._tell(await self._runs.change())

    async def follow_groups(self, revision: int) -> None:
        """Take changes of the groups after `revision` in, until cancelled.

        Raises:
            Refused: COMPACTED; begin anew.
        """
        prefix = self._places.groups("").removesuffix(b".")
        async with self._client.watch(prefix, prefix=True, start_revision=revision + 1) as watch:
            while True:
                for event in (await next_batch(watch)).events:
                    pipeline = event.kv.key[len(prefix) :][:ID_CHARS].decode(errors="replace")
                    tallies = self._tallies.get(pipeline)
                    if tallies is not None:
                        tallies.take(event)
                        self._changed.add(pipeline)
                        self.news.set()

    def _signals(self, pipeline: str, spec: Pipeline) -> dict[str, Given]:
        given = {}
        for name in spec.signal_names:
            kv = self._runs.keys.get(self._places.signal(pipeline, name))
            if kv is not None:
                given[name] = decode_given(kv.value)
        return given

    def _tell(self, events: tuple[Event, ...]) -> None:
        for event in events:
            self._changed.add(self._id_of(event.kv.key))
        self.news.set()

    def _id_of(self, key: bytes) -> str:
        return key.removeprefix(self._places.live)[:ID_CHARS].decode(errors="replace")


def open_jobs(places: PipelinePlaces, pipeline: str, stage: str) -> Compare:
    """Return the condition that no job of a stage is open."""
    return ops.missing(places.groups(pipeline) + stage.encode() + b"/open/", prefix=True)
