"""What the number a command ends with means, so that scripts need not read its words.

Client commands stopped by Ctrl-C or TERM end with 130 or 143; servers (`serve`, `up`), for which
that is the ordinary end, with 0.
"""

from enum import IntEnum

from coord.errors import CoordError, MaybeDone, Misuse, Unavailable


class ExitCode(IntEnum):
    """Exit codes of `coord`."""

    OK = 0  #: done
    NOT_DONE = 1  #: it did not happen: refused by the store, or a file is damaged
    MISUSE = 2  #: the command line or the request can never work as it stands
    MAYBE_DONE = 3  #: the answer was lost; look before you repeat
    UNAVAILABLE = 4  #: no leader, no node reached, out of space; try again later
    INTERRUPTED = 130
    TERMINATED = 143


HELP = """\
Exit codes: 0 done, 1 not done, 2 misuse, 3 maybe done (look before you repeat), 4 unavailable."""


def exit_code(error: CoordError) -> ExitCode:
    """Return the exit code that answers "did it happen?" for `error`."""
    match error:
        case Misuse():
            return ExitCode.MISUSE
        case MaybeDone():
            return ExitCode.MAYBE_DONE
        case Unavailable():
            return ExitCode.UNAVAILABLE
        case _:
            return ExitCode.NOT_DONE
