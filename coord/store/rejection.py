"""How the inside of the store says no: one exception that carries the reply to give.

It never leaves the package: the machine undoes what the operation had begun and answers.
"""

from coord.errors import ErrorCode
from coord.requests import ErrorReply


class Rejection(Exception):
    """An operation the state of the store does not allow; none of it happens."""

    def __init__(self, code: ErrorCode, detail: str = "") -> None:
        super().__init__(code, detail)
        self.reply = ErrorReply(int(code), detail)
