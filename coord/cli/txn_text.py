"""The text of a transaction, as etcdctl reads it: compares, then two lists of operations.

    mod("lock") = "0"

    put lock "me"

    get lock

Three parts, an empty line after each: conditions, what to do if all hold, what to do if not.
Quoted texts may hold the escapes of Go and C: \\n, \\t, \\", \\\\, \\x00, \\u0000.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import click
from click.core import ParameterSource

from coord import ops
from coord.cli.arguments import LEASE
from coord.cli.delete import delete, delete_op
from coord.cli.get import get, get_op
from coord.cli.put import put, put_op
from coord.client.ops import Relation
from coord.errors import ErrorCode, Misuse
from coord.requests import Compare, TxnOp

_QUOTED = r'"(?:[^"\\]|\\.)*"'
_COMPARE = re.compile(
    rf"\s*(?P<target>\w+)\(\s*(?P<key>{_QUOTED}|[^)]*?)\s*\)"
    rf"\s*(?P<relation>==|=|!=|<|>)\s*(?P<value>{_QUOTED}|.*?)\s*",
    re.DOTALL,
)
_WORD = re.compile(rf"""(?:{_QUOTED}|'[^']*'|[^\s"'])+""")
_PIECE = re.compile(rf"""{_QUOTED}|'[^']*'|[^"']+""")
_ESCAPE = re.compile(r"\\(x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|[0-7]{3}|.)", re.DOTALL)
_SIMPLE = {"n": b"\n", "t": b"\t", "r": b"\r", "a": b"\a", "b": b"\b", "f": b"\f", "v": b"\v"}
_RELATIONS: dict[str, Relation] = {"=": "==", "==": "==", "!=": "!=", "<": "<", ">": ">"}
_NUMBERED: dict[str, Callable[[bytes, Relation, int], Compare]] = {
    "ver": ops.version,
    "version": ops.version,
    "c": ops.created,
    "create": ops.created,
    "m": ops.modified,
    "mod": ops.modified,
}
_OPERATIONS: dict[str, tuple[click.Command, Callable[..., TxnOp]]] = {
    "put": (put, put_op),
    "get": (get, get_op),
    "del": (delete, delete_op),
}
_NOT_OF_A_TXN = ("endpoints", "timeout_ms", "form", "serializable", "print_value_only")


def split_parts(lines: Iterable[str]) -> tuple[list[str], list[str], list[str]]:
    """Cut a text at its empty lines into conditions, success and failure."""
    remaining: Iterator[str] = iter(lines)
    parts = (list[str](), list[str](), list[str]())
    for part in parts:
        for line in remaining:
            if not line.strip():
                break
            part.append(line.strip())
    return parts


def parse_compare(line: str) -> Compare:
    """Read one condition, as `val("key") = "text"`.

    Raises:
        Misuse: not of that form; says what is allowed.
    """
    found = _COMPARE.fullmatch(line)
    if found is None:
        raise _fault(f'{line!r} is no condition; write one as mod("key") > "0"')
    target, relation = found["target"], _RELATIONS[found["relation"]]
    key, value = unquote(found["key"]), unquote(found["value"])
    if target in ("val", "value"):
        return ops.value(key, relation, value)
    if target == "lease":
        return ops.leased(key, relation, LEASE.convert(os.fsdecode(value), None, None))
    build = _NUMBERED.get(target)
    if build is None:
        raise _fault(f"{target!r} of {line!r}; allowed are val, ver, create, mod, lease")
    try:
        number = int(value)
    except ValueError:
        raise _fault(f"{line!r} compares with a number") from None
    return build(key, relation, number)


def parse_operation(line: str) -> TxnOp:
    """Read one operation: put, get or del with the options of the command of that name.

    Raises:
        Misuse: another word, or an option that has no meaning in a transaction.
        click.UsageError: the command line of that command is wrong.
    """
    name, *arguments = split_words(line)
    if name not in _OPERATIONS:
        raise _fault(f"{name!r}; a transaction's operations are {', '.join(_OPERATIONS)}")
    command, build = _OPERATIONS[name]
    params = _parsed(command, arguments, line)
    if name == "put" and params["value"] is None and not params["ignore_value"]:
        raise _fault(f"{line!r} has no value")
    return build(**params)


def _parsed(command: click.Command, arguments: list[str], line: str) -> dict[str, Any]:
    try:
        context = command.make_context(command.name, arguments)
    except click.exceptions.Exit:
        # --help would print and end the command as if the transaction had run.
        raise _fault(f"{line!r} asks for help") from None
    params = dict(context.params)
    for option in _NOT_OF_A_TXN:
        if params.pop(option, None) and _was_typed(context, option):
            raise _fault(f"{line!r} has an option that has no meaning in a transaction")
    return params


def _was_typed(context: click.Context, option: str) -> bool:
    return context.get_parameter_source(option) is ParameterSource.COMMANDLINE


def split_words(line: str) -> list[str]:
    """Cut a line at its blanks, but not inside quotes; quotes are taken off."""
    remainder = _WORD.sub("", line).strip()
    if remainder:
        raise _fault(f"{line!r} has a quote that does not end")
    return [
        os.fsdecode(b"".join(unquote(piece) for piece in _PIECE.findall(word)))
        for word in _WORD.findall(line)
    ]


def unquote(text: str) -> bytes:
    """Return the bytes a word stands for; without quotes it stands for itself."""
    if len(text) >= 2 and text[0] == text[-1] == "'":
        return os.fsencode(text[1:-1])
    if len(text) < 2 or not text[0] == text[-1] == '"':
        return os.fsencode(text)
    inner, found, position = text[1:-1], [], 0
    for escape in _ESCAPE.finditer(inner):
        found += [os.fsencode(inner[position : escape.start()]), _escaped(escape[1])]
        position = escape.end()
    return b"".join((*found, os.fsencode(inner[position:])))


def _escaped(code: str) -> bytes:
    if code[0] == "x" and len(code) > 1:
        return bytes((int(code[1:], 16),))
    if code[0] in "uU" and len(code) > 1:
        return _character(int(code[1:], 16))
    if len(code) == 3:
        return bytes((int(code, 8) & 0xFF,))
    return _SIMPLE.get(code, os.fsencode(code))


def _character(number: int) -> bytes:
    try:
        return chr(number).encode()
    except (ValueError, OverflowError):
        raise _fault(f"there is no character {number:x}") from None


def _fault(what: str) -> Misuse:
    return Misuse(f"transaction: {what}", ErrorCode.INVALID_OPTION)
