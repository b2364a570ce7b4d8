"""Starting a pipeline: checked, written down, and only then there; whole or not at all.

A small one is one transaction. One with many jobs is written in pages first, under a lease, so that
of a starter which dies half-way nothing is left; the last transaction makes the pages stay and the
pipeline live.
"""

from collections.abc import Iterator

import msgspec

from coord.client import ops
from coord.errors import ErrorCode, Unavailable, error_from
from coord.limits import REQUEST_BYTES_MAX
from coord.requests import Compare, PutReply, RangeReply, TxnOp
from recipes.port import KeptLease, only
from workers.model.names import check_name
from workers.pipelines.checks import check
from workers.pipelines.codec import Calls, encode
from workers.pipelines.places import PipelinePlaces
from workers.pipelines.run import Run, StageRun, encode_run
from workers.pipelines.spec import Call, Pipeline, Stage
from workers.store.site import Site

SPEC_BYTES_MAX = 256 * 1024  # listed jobs beyond that go into pages
PAGE_BYTES = 64 * 1024
DRAFT_TTL_MS = 30_000
PAGES_MAX = 1000  # one transaction makes all of them stay
_ROOM_BYTES = 64 * 1024  # for what else is in the transaction


async def start(site: Site, pipeline: Pipeline, once: str = "") -> str:
    """Start a pipeline; see `PipelineStore.start`."""
    check(pipeline)
    if once:
        check_name("once", once)
    places = PipelinePlaces(site.places)
    now_unix_ms = site.timer.now_unix_ms()
    run = Run(
        name=pipeline.name,
        stages={stage.name: _waiting(stage, now_unix_ms) for stage in pipeline.stages},
        started_unix_ms=now_unix_ms,
        once=once,
        keep_ms=pipeline.keep_ms,
    )
    encoded = encode(pipeline)
    if len(encoded) <= SPEC_BYTES_MAX:
        return await _start_small(site, places, encoded, run)
    async with site.client.session(ttl_ms=DRAFT_TTL_MS) as session:
        return await _start_large(site, places, pipeline, run, session)


def _waiting(stage: Stage, now_unix_ms: int) -> StageRun:
    listed = 1 if stage.collect is not None else len(stage.jobs)
    return StageRun(since_unix_ms=now_unix_ms, listed=listed)


async def _start_small(site: Site, places: PipelinePlaces, spec: bytes, run: Run) -> str:
    steps: list[TxnOp] = [
        ops.put(places.specs, spec, sequence=True),
        ops.put(places.live, encode_run(run), same_sequence=True),
    ]
    if run.once:
        steps.append(ops.put(places.once(run.once), same_sequence=True))
    reply = await site.client.txn(_untaken(places, run), steps, _taken(places, run))
    made = reply.replies[0]
    if isinstance(made, PutReply):
        return made.key.removeprefix(places.specs).decode()
    return _standing(made)


async def _start_large(
    site: Site, places: PipelinePlaces, pipeline: Pipeline, run: Run, session: KeptLease
) -> str:
    paged = [(stage, list(_pages(stage.jobs))) for stage in pipeline.stages]
    count = sum(len(pages) for _, pages in paged)
    if count > PAGES_MAX:
        detail = f"its jobs take {count} pages of {PAGE_BYTES} bytes; {PAGES_MAX} are allowed"
        raise error_from(ErrorCode.REQUEST_TOO_LARGE, detail)
    draft = await site.client.put(places.drafts, lease=session.lease, sequence=True)
    made = draft.key.removeprefix(places.drafts).decode()
    keys: list[bytes] = []
    stages: list[Stage] = []
    for stage, pages in paged:
        prefix = places.pages(made, stage.name)
        for number, page in enumerate(pages, 1):
            keys.append(prefix + b"a%04d" % number)
            await site.client.put(keys[-1], page, lease=session.lease)
        stages.append(msgspec.structs.replace(stage, jobs=()))
    spec = encode(msgspec.structs.replace(pipeline, stages=tuple(stages)))
    if len(spec) > REQUEST_BYTES_MAX - _ROOM_BYTES:
        detail = f"without its jobs it takes {len(spec)} bytes"
        raise error_from(ErrorCode.REQUEST_TOO_LARGE, detail)
    steps: list[TxnOp] = [
        ops.delete(draft.key),
        ops.put(places.spec(made), spec),
        ops.put(places.run(made), encode_run(run)),
        *(ops.put(key, ignore_value=True) for key in keys),  # off the lease
    ]
    if run.once:
        steps.append(ops.put(places.once(run.once) + made.encode()))
    untaken = _untaken(places, run)
    standing = [ops.created(draft.key, "==", draft.revision), *untaken]
    reply = await site.client.txn(standing, steps, _taken(places, run))
    if reply.succeeded:
        return made
    if run.once:
        return _standing(reply.replies[0])
    raise Unavailable("it took too long to write down; nothing was started", ErrorCode.TIMED_OUT)


def _pages(jobs: Calls) -> Iterator[bytes]:
    """Yield listed jobs as pages of at most `PAGE_BYTES`, or of one job."""
    page: list[Call] = []
    size_bytes = 0
    for call in jobs:
        call_bytes = len(encode((call,)))
        if page and size_bytes + call_bytes > PAGE_BYTES:
            yield encode(tuple(page))
            page, size_bytes = [], 0
        page.append(call)
        size_bytes += call_bytes
    if page:
        yield encode(tuple(page))


def _untaken(places: PipelinePlaces, run: Run) -> list[Compare]:
    return [ops.missing(places.once(run.once), prefix=True)] if run.once else []


def _taken(places: PipelinePlaces, run: Run) -> list[TxnOp]:
    return [ops.get(places.once(run.once), prefix=True, limit=1)] if run.once else []


def _standing(answer: object) -> str:
    """Return the pipeline that was started under the same key before."""
    assert isinstance(answer, RangeReply), answer
    found = only(answer)
    if found is None:
        raise Unavailable("it took too long to write down; nothing was started")
    return found.key.rpartition(b"/")[2].decode()
