"""What a job function takes: arguments checked where they are given, and again where it runs.

Arguments travel in plain form (what JSON or msgpack can say) by name. Annotations are checked, and
made real again for the function, wherever msgspec understands them: dataclasses, attrs classes,
structs, enums, dates, containers of those. Other annotations are not checked.
"""

import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from coord.errors import ErrorCode, Misuse
from workers.app.context import Context
from workers.errors import BadArguments

_BYTES = (bytes, bytearray, memoryview)
_PLAIN = frozenset({bool, int, float, str, bytes})
_Kind = inspect.Parameter


class Signature:
    """The arguments of one job function; a first parameter of type Context is not one of them."""

    def __init__(self, name: str, function: Callable[..., object]) -> None:
        self._name = name
        found = inspect.signature(function)
        hints = _hints(function)
        parameters = list(found.parameters.values())
        self.takes_context = bool(parameters) and _is_context(parameters[0], hints)
        if self.takes_context:
            del parameters[0]
        for parameter in parameters:
            if parameter.kind is _Kind.VAR_POSITIONAL:
                detail = f"*{parameter.name}: arguments of a job have names"
                raise Misuse(f"job {name}: {detail}", ErrorCode.INVALID_OPTION)
        self._parameters = {parameter.name: parameter for parameter in parameters}
        self._signature = inspect.Signature(parameters)
        self._types = {each: _checkable(hints.get(each, Any)) for each in self._parameters}
        self._usual = _usual(parameters)
        self._extra = next((p.name for p in parameters if p.kind is _Kind.VAR_KEYWORD), "")
        self.returns = _checkable(hints.get("return", Any))

    def bind(self, args: Sequence[object], kwargs: Mapping[str, object]) -> dict[str, object]:
        """Return arguments as they travel: by name, in plain form. Defaults are left to the worker.

        Raises:
            BadArguments: they do not fit; names the argument.
        """
        if self._usual and not kwargs and len(args) == len(self._usual):
            given = dict(zip(self._usual, args, strict=True))
        else:
            given = self._by_name(args, kwargs)
        plain = {each: self._plain(each, value) for each, value in given.items()}
        for each, value in plain.items():
            self._real(each, value)
        return plain

    def read(self, texts: Mapping[str, str]) -> dict[str, object]:
        """Return arguments typed by a person: "3" is a number where the function wants one.

        Raises:
            BadArguments: a text cannot be read as what the function wants.
        """
        return {each: self._read(each, text) for each, text in texts.items()}

    def unpack(self, kept: Mapping[str, object]) -> tuple[list[object], dict[str, object]]:
        """Return positional and named arguments for the function out of what travelled.

        Raises:
            BadArguments: they do not fit this function, as when it has changed since.
        """
        for each, parameter in self._parameters.items():
            required = parameter.default is _Kind.empty and parameter.kind is not _Kind.VAR_KEYWORD
            if required and each not in kept:
                raise BadArguments(f"{self._name}: missing a required argument: {each!r}")
        positional: list[object] = []
        named: dict[str, object] = {}
        for each, value in kept.items():
            if not self._takes(each):
                raise BadArguments(f"{self._name}: got an unexpected argument {each!r}")
            known = self._parameters.get(each)
            if known is None or known.kind is not _Kind.POSITIONAL_ONLY:
                named[each] = self._real(each, value)
        for each, parameter in self._parameters.items():
            if parameter.kind is _Kind.POSITIONAL_ONLY:
                if each not in kept:
                    break
                positional.append(self._real(each, kept[each]))
        return positional, named

    def _by_name(self, args: Sequence[object], kwargs: Mapping[str, object]) -> dict[str, object]:
        try:
            bound = self._signature.bind(*args, **kwargs)
        except TypeError as error:
            raise BadArguments(f"{self._name}: {error}") from None
        given = bound.arguments
        extra = given.pop(self._extra, {})
        if twice := sorted(given.keys() & extra.keys()):
            raise BadArguments(f"{self._name}: {twice[0]!r} is given twice, once by its place")
        given.update(extra)
        return given

    def _takes(self, each: str) -> bool:
        return bool(self._extra) or each in self._parameters

    def _read(self, each: str, text: str) -> object:
        wanted = self._types.get(each, self._types.get(self._extra, Any))
        try:
            if wanted is not Any:
                return msgspec.convert(text, wanted, strict=False)
        except msgspec.ValidationError:
            pass  # it may be JSON for something larger
        try:
            value = msgspec.json.decode(text)
            return value if wanted is Any else msgspec.convert(value, wanted, strict=False)
        except msgspec.ValidationError as error:
            raise BadArguments(f"{self._name}: argument {each!r}: {error}") from None
        except msgspec.DecodeError:
            if wanted is Any:
                return text
            raise BadArguments(
                f"{self._name}: argument {each!r}: {text!r} is no {_named(wanted)}"
            ) from None

    def _plain(self, each: str, value: object) -> object:
        if type(value) in _PLAIN:
            return value
        try:
            return msgspec.to_builtins(value, builtin_types=_BYTES)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise BadArguments(f"{self._name}: argument {each!r}: {error}") from None

    def _real(self, each: str, value: object) -> object:
        wanted = self._types.get(each, self._types.get(self._extra, Any))
        if wanted is Any or (type(value) is wanted and wanted in _PLAIN):
            return value
        try:
            return msgspec.convert(value, wanted, builtin_types=_BYTES)
        except msgspec.ValidationError as error:
            raise BadArguments(f"{self._name}: argument {each!r}: {error}") from None


def _hints(function: Callable[..., object]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function, include_extras=True)
    except (NameError, TypeError, AttributeError):
        # Names that only a type checker sees: nothing is checked.
        return {}


def _usual(parameters: Sequence[inspect.Parameter]) -> tuple[str, ...]:
    """Return the names of parameters that may all be given by their place; () for others."""
    if any(parameter.kind is not _Kind.POSITIONAL_OR_KEYWORD for parameter in parameters):
        return ()
    return tuple(parameter.name for parameter in parameters)


def _is_context(parameter: inspect.Parameter, hints: Mapping[str, Any]) -> bool:
    hint = hints.get(parameter.name, parameter.annotation)
    return hint is Context or (isinstance(hint, str) and hint.rpartition(".")[2] == "Context")


def _named(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) else str(hint)


def _checkable(hint: Any) -> Any:
    """Return an annotation that msgspec can check, or Any."""
    try:
        msgspec.convert(None, hint)
    except msgspec.ValidationError:
        return hint
    except TypeError:
        return Any
    return hint
