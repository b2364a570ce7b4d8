"""Names a person gives: of queues, jobs, limits, schedules, pipelines, workers.

They become parts of keys, so they hold no slash, no colon and nothing unprintable.
"""

import re

from coord.errors import ErrorCode, error_from

NAME_CHARS_MAX = 100
PIPELINE_GROUPS = "pipeline."  # how groups begin that are stages of pipelines
_NAME = re.compile(r"[A-Za-z0-9_.@\-]+")


def check_name(what: str, name: object) -> str:
    """Return `name` if it can be one.

    Args:
        what: what the name is of, for the error: "queue", "job".
        name: 1 to 100 characters out of letters, digits and ``_ . @ -``.

    Raises:
        Misuse: it cannot; says what is allowed.
    """
    if not isinstance(name, str) or len(name) > NAME_CHARS_MAX or not _NAME.fullmatch(name):
        detail = f"{what} {name!r:.200}: 1 to {NAME_CHARS_MAX} letters, digits or any of _ . @ -"
        raise error_from(ErrorCode.INVALID_OPTION, detail)
    return name


def check_group(group: object) -> str:
    """Return `group` if somebody may give it to a job; "" for none.

    Raises:
        Misuse: it is no name, or one of a pipeline's: who belongs there, the pipeline says.
    """
    if isinstance(group, str) and group.startswith(PIPELINE_GROUPS):
        detail = f"group {group!r}: those that begin with {PIPELINE_GROUPS!r} are of pipelines"
        raise error_from(ErrorCode.INVALID_OPTION, detail)
    return "" if group == "" else check_name("group", group)
