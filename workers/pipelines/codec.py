"""Pipelines and their jobs as bytes: JSON, or msgpack where arguments hold bytes.

The first byte tells which, as it does for jobs.
"""

from typing import Any

import msgspec

from coord.errors import ErrorCode, error_from
from recipes.decoding import UNREADABLE
from workers.model.job import is_json
from workers.pipelines.spec import Call, Pipeline

Calls = tuple[Call, ...]
_pipeline_json = msgspec.json.Decoder(Pipeline)
_pipeline_msgpack = msgspec.msgpack.Decoder(Pipeline)
_calls_json = msgspec.json.Decoder(Calls)
_calls_msgpack = msgspec.msgpack.Decoder(Calls)


def encode(found: Pipeline | Calls) -> bytes:
    """Return a pipeline, or some of its jobs, as it is kept.

    Raises:
        Misuse: an argument is nothing JSON or msgpack can say; names it.
    """
    try:
        plain = msgspec.to_builtins(found, builtin_types=(bytes,))
        encoded = msgspec.json.encode(plain) if is_json(plain) else msgspec.msgpack.encode(plain)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        detail = f"arguments of a pipeline cannot be kept: {error}"
        raise error_from(ErrorCode.INVALID_OPTION, detail) from None
    return encoded


def decode_pipeline(value: bytes) -> Pipeline:
    """Return the pipeline a value stands for, unchecked.

    Raises:
        Misuse: it is none; says where it is wrong.
    """
    decoder: Any = _pipeline_json if value.lstrip()[:1] == b"{" else _pipeline_msgpack
    try:
        found: Pipeline = decoder.decode(value)
    except UNREADABLE as error:
        raise error_from(ErrorCode.INVALID_OPTION, f"no pipeline: {error}") from None
    return found


def decode_calls(value: bytes) -> Calls:
    """Return the jobs a page holds.

    Raises:
        Misuse: it holds none.
    """
    decoder: Any = _calls_json if value[:1] == b"[" else _calls_msgpack
    try:
        found: Calls = decoder.decode(value)
    except UNREADABLE as error:
        raise error_from(ErrorCode.INVALID_OPTION, f"no jobs of a pipeline: {error}") from None
    return found
