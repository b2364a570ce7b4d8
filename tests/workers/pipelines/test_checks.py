"""Pipelines that cannot run are refused with what is wrong, and nothing of them is kept."""

import pytest

from coord.errors import Misuse
from coord.testing.local import in_loop
from workers.gates.conditions import AllOf, Ended, JobThere, Signal, Size
from workers.pipelines.checks import check
from workers.pipelines.codec import decode_pipeline, encode
from workers.pipelines.spec import Call, Collect, ForEach, Pipeline, Stage
from workers.testing.pipeline_world import PipelineWorld

A = (Call("a"),)


def _p(*stages: Stage) -> Pipeline:
    return Pipeline("p", stages)


BAD = [
    (_p(), "has no stages"),
    (Pipeline("a/b", (Stage("s", A),)), "pipeline 'a/b'"),
    (Pipeline("p", (Stage("s", A),), keep_ms=0), "keep_ms 0"),
    (_p(Stage("s", A), Stage("s", A)), "two stages are named 's'"),
    (_p(Stage("s", A, after=("t",))), "stage 's' names stage 't', which is not there"),
    (_p(Stage("s", A, gate=Ended("t"))), "names stage 't'"),
    (_p(Stage("s")), "has no jobs"),
    (_p(Stage("s", A, after=("s",))), "circle: s -> s"),
    (
        _p(
            Stage("r", A, after=("t",)),
            Stage("s", A, gate=AllOf((Size("r", 1),))),
            Stage("t", for_each=ForEach("s", Call("b"), "x")),
        ),
        "circle: r -> t -> s -> r",
    ),
    (_p(Stage("s", A), Stage("t", A, collect=Collect(("s",), Call("b")))), "one of jobs"),
    (_p(Stage("s", A), Stage("t", collect=Collect((), Call("b")))), "collects from no stage"),
    (_p(Stage("s", A), Stage("t", for_each=ForEach("s", Call("b"), ""))), "needs the argument"),
    (_p(Stage("s", A, gate=Size("s", 0))), "asks for nothing"),
    (_p(Stage("s", A, gate=JobThere("q:40000000000000000000f"))), "has no meaning here"),
    (_p(Stage("s", A, gate=Signal("a b"))), "signal 'a b'"),
    (_p(Stage("s", A, on_failure="retry")), "retries go with"),
    (_p(Stage("s", A, retries=1)), "retries go with"),
    (_p(Stage("s", A, feeds=("t",)), Stage("t")), "does not wait for its end"),
    (_p(Stage("s", (Call(""),))), "stage 's', job 0: a job's name"),
    (_p(Stage("s", (Call("a", queue="a/b"),))), "queue 'a/b'"),
    (_p(Stage("s", (Call("a", priority=10),))), "priority 10"),
    (_p(Stage("s", (Call("a", attempts_max=0),))), "attempts_max 0"),
    (_p(Stage("s", (Call("a", {"x": "y" * 600_000}),))), "bytes are allowed|524288 are allowed"),
    (_p(Stage("s", (Call("a", {"x": object()}),))), "cannot be kept"),
    (_p(*(Stage(f"s{n}", A) for n in range(201))), "201 stages"),
]


@pytest.mark.parametrize(("pipeline", "said"), BAD)
@in_loop
async def test_what_cannot_run_is_refused_by_name(pipeline: Pipeline, said: str) -> None:
    world = PipelineWorld()
    with pytest.raises(Misuse, match=said):
        await world.store.start(pipeline)
    assert await world.count(b"coord/") == 0


def test_stages_may_be_named_in_any_order_and_feed_those_after_them() -> None:
    check(
        _p(
            Stage("last", collect=Collect(("mid",), Call("c"))),
            Stage("mid", after=("first",)),
            Stage("first", A, feeds=("mid", "last")),
        )
    )


@pytest.mark.parametrize("value", [b"", b"{}", b"{", b"\xff", b'{"name": "p", "x": 1}'])
def test_what_is_no_pipeline_is_told_as_such(value: bytes) -> None:
    with pytest.raises(Misuse, match="no pipeline"):
        decode_pipeline(value)


@pytest.mark.parametrize("arg", [1, "text", [1, {"a": None}], b"\x00\xff"])
def test_arguments_come_back_as_they_were(arg: object) -> None:
    pipeline = _p(Stage("s", (Call("a", {"x": arg}),), gate=AllOf((Signal("go"), Size("s", 1)))))
    assert decode_pipeline(encode(pipeline)) == pipeline
