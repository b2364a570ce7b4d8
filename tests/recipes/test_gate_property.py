"""A gate of any condition under any history opens at the very revision a plain reading finds."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from coord.testing.local import LocalClient, LocalCluster, in_loop, settle
from recipes.conditions import AllOf, AnyOf, Condition, Leaf, Met, Present, Signal, Size, reached
from recipes.conditions import leaves as leaves_of
from recipes.gate import Gate, Opening
from workers.testing.hand_timer import HandTimer

KEYS = ("a/1", "a/2", "b/1", "s", "q/ready/x")
LEAVES: tuple[Leaf, ...] = (
    Size("a/", 2), Size("b/", 1), Signal("s"), Present("q/", "x"),
)  # fmt: skip
CONDITIONS: st.SearchStrategy[Condition] = st.recursive(
    st.sampled_from(LEAVES),
    lambda parts: st.builds(
        lambda kind, *of: kind(of), st.sampled_from((AllOf, AllOf, AnyOf)), parts, parts
    ),
    max_leaves=4,
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from(KEYS)),
        st.tuples(st.just("delete"), st.sampled_from(KEYS)),
        st.tuples(st.just("other"), st.just("")),
    ),
    min_size=5,
    max_size=30,
)


def plainly(condition: Condition, history: list[tuple[int, set[str]]]) -> int:
    """Return the revision at which a condition was met, given all keys at each; 0 for never."""
    met: dict[int, Met] = {}
    for revision, keys in history:
        for number, leaf in enumerate(leaves_of(condition)):
            if number not in met and _holds(leaf, keys):
                met[number] = Met(revision, 1)
    whole = reached(condition, met)
    return whole.revision if whole is not None else 0


def _holds(leaf: Leaf, keys: set[str]) -> bool:
    match leaf:
        case Size(items, target):
            return sum(key.startswith(items) for key in keys) >= target
        case Signal(key):
            return key in keys
        case _:
            return any(key.endswith("/x") for key in keys)


async def step(client: LocalClient, kind: str, key: str) -> None:
    if kind == "put":
        await client.put(key)
    elif kind == "delete":
        await client.delete(key)


@settings(max_examples=200)
@given(CONDITIONS, STEPS)
@in_loop
async def test_it_opens_at_the_revision_at_which_its_condition_was_met(
    condition: Condition, steps: list[tuple[str, str]]
) -> None:
    cluster = LocalCluster()
    client = cluster.client()

    def start() -> asyncio.Task[Opening]:
        return asyncio.create_task(Gate(client, "g", condition, timer=HandTimer()).wait())

    waiting = start()
    await settle()
    history: list[tuple[int, set[str]]] = [(cluster.store.revision, set())]
    for kind, key in steps:
        if kind == "other" and not waiting.done():
            # Another one goes on where the first one stopped.
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            waiting = start()
        await step(client, kind, key)
        there = {kv.key.decode() for kv in (await client.get("", prefix=True)).kvs}
        history.append((cluster.store.revision, {k for k in there if not k.startswith("g/")}))
        await settle()
    expected = plainly(condition, history)
    if expected:
        assert (await asyncio.wait_for(waiting, 5)).revision == expected
    else:
        assert not waiting.done()
        assert not await Gate(client, "g", condition, timer=HandTimer()).passed()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
