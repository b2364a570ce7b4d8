"""Names that say nothing, and modules that do not say what they are."""

import ast
import re
from pathlib import PurePosixPath
from typing import Any

EMPTY_WORDS = {"util", "utils", "helper", "helpers", "manager", "managers", "misc", "common"}
DOCSTRING_LINES_MAX = 15
# A file format, byte by byte, belongs where the code that writes it is.
FORMATS = {
    "coord/wal/segment.py", "coord/wal/record.py", "coord/wal/items.py", "workers/model/places.py",
}  # fmt: skip


def test_no_module_is_named_by_an_empty_word(sources: list[Any]) -> None:
    found = [
        source.path
        for source in sources
        if set(re.split(r"[/_.]", source.path.removesuffix(".py"))) & EMPTY_WORDS
    ]
    assert found == []


def test_no_class_is_called_a_manager_or_helper(sources: list[Any]) -> None:
    found = [
        f"{source.path}:{node.lineno} {node.name}"
        for source in sources
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ClassDef) and re.search(r"(Manager|Helper|Util)s?$", node.name)
    ]
    assert found == []


def test_every_module_opens_with_its_purpose(sources: list[Any]) -> None:
    silent, long = [], []
    for source in sources:
        words = ast.get_docstring(source.tree)
        is_marker = PurePosixPath(source.path).name == "__init__.py" and not source.tree.body
        if words is None and not is_marker:
            silent.append(source.path)
        elif source.path not in FORMATS and len((words or "").splitlines()) > DOCSTRING_LINES_MAX:
            long.append(source.path)
    assert silent == []
    assert long == []


def test_every_test_is_named_by_a_sentence(sources: list[Any]) -> None:
    short = [
        f"{source.path}:{node.lineno} {node.name}"
        for source in sources
        if source.path.startswith("tests/")
        for node in ast.walk(source.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and node.name.count("_") < 3
    ]
    assert short == []
