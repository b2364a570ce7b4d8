"""What a job returned, for who asked: made real again where the function says what it returns."""

from typing import Any

import msgspec

from workers.errors import JobFailed
from workers.model.ending import Ending
from workers.model.ids import JobId
from workers.model.states import State


def result_of(job_id: JobId, ending: Ending, returns: Any = Any) -> Any:
    """Return the result of a job that has ended.

    Args:
        job_id: the job's.
        ending: how it ended.
        returns: what its function is annotated to return. A result that does not fit, as one of
            another version of the function, comes in plain form.

    Raises:
        JobFailed: it did not end well.
    """
    if ending.state is not State.DONE:
        raise JobFailed(job_id, ending)
    if ending.result_msgpack:
        plain = msgspec.msgpack.decode(ending.result_msgpack)
    else:
        plain = msgspec.json.decode(ending.result)
    if returns is Any:
        return plain
    try:
        return msgspec.convert(plain, returns, builtin_types=(bytes, bytearray, memoryview))
    except msgspec.ValidationError:
        return plain
