"""Things that must not be in the code, whatever the linters think of them."""

import ast
from collections.abc import Iterator
from typing import Any

UNSAFE = {"pickle", "marshal", "shelve", "dill"}


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


def _calls(tree: ast.Module, owner: str, name: str) -> list[int]:
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == name
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == owner
        # sleep(0) waits for nothing: it only lets others run.
        and not (node.args and isinstance(node.args[0], ast.Constant) and node.args[0].value == 0)
    ]


def test_nothing_ever_unpickles_bytes(sources: list[Any]) -> None:
    assert [s.path for s in sources if UNSAFE & set(_imported(s.tree))] == []


def test_only_the_zeromq_modules_of_the_transport_import_zmq(sources: list[Any]) -> None:
    found = [
        source.path
        for source in sources
        if source.is_packaged and "zmq" in set(_imported(source.tree))
    ]
    assert [path for path in found if not path.startswith("transport/zeromq")] == []


def test_no_test_sleeps_to_wait_for_something(sources: list[Any]) -> None:
    found = [
        f"{source.path}:{line}"
        for source in sources
        if source.path.startswith("tests/") and not source.path.startswith("tests/bench/")
        for owner in ("time", "asyncio")
        for line in _calls(source.tree, owner, "sleep")
    ]
    assert found == []


def test_no_asserted_tuple_and_no_bare_except(sources: list[Any]) -> None:
    found = []
    for source in sources:
        for node in ast.walk(source.tree):
            if isinstance(node, ast.ExceptHandler) and node.type is None:
                found.append(f"{source.path}:{node.lineno}")
            if isinstance(node, ast.Assert) and isinstance(node.test, ast.Tuple):
                found.append(f"{source.path}:{node.lineno}")
    assert found == []


def test_the_state_machine_and_the_consensus_core_never_iterate_over_a_set(
    sources: list[Any],
) -> None:
    # The order of a set moves between processes; one such loop breaks replay.
    found = []
    for source in sources:
        if not source.path.startswith(("coord/raft/", "coord/store/")):
            continue
        for node in ast.walk(source.tree):
            loops = [node.iter] if isinstance(node, ast.For | ast.comprehension) else []
            found += [f"{source.path}:{loop.lineno}" for loop in loops if _is_set(loop)]
    assert found == []


def _is_set(node: ast.expr) -> bool:
    if isinstance(node, ast.Set | ast.SetComp):
        return True
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in {"set", "frozenset"}
    )
