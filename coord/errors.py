"""The error tree. Each branch answers one question: did it happen?

    CoordError
    +-- NotDone            it did not happen; asking again is safe
    |   +-- Unavailable    no leader, overloaded, out of space, shutting down
    |   +-- Refused        the store said no: compacted, lease not found, ...
    +-- MaybeDone          the answer was lost; look before you repeat
    +-- Misuse             the request can never succeed as it stands
    +-- ProtocolError      bytes that are not what they should be
    +-- Corruption         a file that is not what was written

Texts shared with etcd are etcd's, word for word, so that people and tools find what they know.
"""

from enum import IntEnum


class ErrorCode(IntEnum):
    """What went wrong, stable across versions; the text beside it is for people."""

    # misuse
    EMPTY_KEY = 1
    KEY_TOO_LARGE = 2
    VALUE_TOO_LARGE = 3
    REQUEST_TOO_LARGE = 4
    TOO_MANY_OPS = 5
    DUPLICATE_KEY = 6
    VALUE_PROVIDED = 7
    LEASE_PROVIDED = 8
    INVALID_OPTION = 9
    LEASE_TTL_TOO_LARGE = 10
    MALFORMED = 11
    WRONG_CLUSTER = 12
    WRONG_VERSION = 13
    NOT_SUPPORTED = 14
    # refused by the state of the store
    KEY_NOT_FOUND = 32
    COMPACTED = 33
    FUTURE_REVISION = 34
    LEASE_NOT_FOUND = 35
    LEASE_EXISTS = 36
    TOO_MANY_LEASES = 37
    REPLY_TOO_LARGE = 38
    TOO_MANY_WATCHES = 39
    # unavailable
    NO_LEADER = 64
    TOO_MANY_REQUESTS = 65
    NO_SPACE = 66
    STOPPING = 67
    TIMED_OUT = 68
    NOT_LEADER = 69
    BAD_TRANSFEREE = 70
    # unknown outcome
    WRITER_EXPIRED = 96
    LOST_ANSWER = 97


ERROR_TEXT: dict[ErrorCode, str] = {
    ErrorCode.EMPTY_KEY: "key is not provided",
    ErrorCode.KEY_TOO_LARGE: "key is too large",
    ErrorCode.VALUE_TOO_LARGE: "value is too large",
    ErrorCode.REQUEST_TOO_LARGE: "request is too large",
    ErrorCode.TOO_MANY_OPS: "too many operations in txn request",
    ErrorCode.DUPLICATE_KEY: "duplicate key given in txn request",
    ErrorCode.VALUE_PROVIDED: "value is provided",
    ErrorCode.LEASE_PROVIDED: "lease is provided",
    ErrorCode.INVALID_OPTION: "invalid option",
    ErrorCode.LEASE_TTL_TOO_LARGE: "too large lease TTL",
    ErrorCode.MALFORMED: "malformed request",
    ErrorCode.WRONG_CLUSTER: "cluster ID mismatch",
    ErrorCode.WRONG_VERSION: "protocol version not supported",
    ErrorCode.NOT_SUPPORTED: "operation not supported",
    ErrorCode.KEY_NOT_FOUND: "key not found",
    ErrorCode.COMPACTED: "mvcc: required revision has been compacted",
    ErrorCode.FUTURE_REVISION: "mvcc: required revision is a future revision",
    ErrorCode.LEASE_NOT_FOUND: "requested lease not found",
    ErrorCode.LEASE_EXISTS: "lease already exists",
    ErrorCode.TOO_MANY_LEASES: "too many leases",
    ErrorCode.REPLY_TOO_LARGE: "answer is too large; ask for a page with limit",
    ErrorCode.TOO_MANY_WATCHES: "too many watches",
    ErrorCode.NO_LEADER: "no leader",
    ErrorCode.TOO_MANY_REQUESTS: "too many requests",
    ErrorCode.NO_SPACE: "mvcc: database space exceeded",
    ErrorCode.STOPPING: "server stopped",
    ErrorCode.TIMED_OUT: "request timed out",
    ErrorCode.NOT_LEADER: "not leader",
    ErrorCode.BAD_TRANSFEREE: "bad leader transferee",
    ErrorCode.WRITER_EXPIRED: "the record of this writer has expired; the write may have happened",
    ErrorCode.LOST_ANSWER: "no answer; the write may have happened",
}


class CoordError(Exception):
    """Something coord raised on purpose; `code` is set where a server said it."""

    def __init__(self, message: str = "", code: ErrorCode | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").split(".")[0])
        self.code = code


class NotDone(CoordError):
    """It did not happen; asking again is safe."""


class Unavailable(NotDone):
    """The cluster cannot serve this now."""


class Refused(NotDone):
    """The state of the store does not allow it."""


class HistoryCompacted(Refused):
    """The history a watch needs has been compacted."""

    def __init__(self, compact_revision: int) -> None:
        super().__init__(ERROR_TEXT[ErrorCode.COMPACTED], ErrorCode.COMPACTED)
        self.compact_revision = compact_revision
        """The oldest revision a watch can start from."""


class MaybeDone(CoordError):
    """The answer was lost; look before you repeat."""


class Misuse(CoordError):
    """The request can never succeed as it stands."""


class ProtocolError(CoordError):
    """Bytes that are not a message of this protocol."""


class Corruption(CoordError):
    """A file that is not what was written."""


def error_from(code: ErrorCode, detail: str = "") -> CoordError:
    """Build the exception that a code stands for.

    Args:
        code: what went wrong.
        detail: what was wrong and what is allowed; appended to the standard text.

    Returns:
        An instance of the branch the code belongs to, with `code` set.
    """
    text = ERROR_TEXT[code]
    message = f"{text}: {detail}" if detail else text
    if code < ErrorCode.KEY_NOT_FOUND:
        return Misuse(message, code)
    if code < ErrorCode.NO_LEADER:
        return Refused(message, code)
    if code < ErrorCode.WRITER_EXPIRED:
        return Unavailable(message, code)
    return MaybeDone(message, code)
