"""The one line that tells a cause, out of what a job raised with its traceback."""

_AFTER_ANOTHER = (
    "During handling of the above exception, another exception occurred:",
    "The above exception was the direct cause of the following exception:",
)
_GROUP = "  + Exception Group Traceback"
_GROUP_MARGIN = "  | "


def headline(cause: str) -> str:
    """Return the line that names what was raised; without a traceback, the first line.

    Neither the further lines of a message nor an error's notes are it, and of a group of errors
    the group is. What is empty has the headline "".
    """
    lines = [line for line in cause.strip("\n").splitlines() if line.strip()]
    if not lines:
        return ""
    if lines[1:] and _opens(lines[1]) and not _opens(lines[0]):
        return lines[0].strip()  # what we say of it comes first
    starts = [at + 1 for at, line in enumerate(lines) if line in _AFTER_ANOTHER]
    last = lines[starts[-1] :] if starts and starts[-1] < len(lines) else lines
    group = next((at for at, line in enumerate(last) if line.startswith(_GROUP)), None)
    if group is not None:
        margin = [line for line in last[group + 1 :] if line.startswith(_GROUP_MARGIN)]
        last = [line.removeprefix(_GROUP_MARGIN) for line in margin]
    frames = [at for at, line in enumerate(last) if line.startswith('  File "')]
    raised = last[frames[-1] + 1 :] if frames else last
    return next(
        (line for line in raised if line[:1] != " " and not _opens(line)), lines[-1]
    ).strip()


def _opens(line: str) -> bool:
    return line.startswith(("Traceback", _GROUP))
