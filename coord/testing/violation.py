"""The one error of every check: what was promised did not hold."""


class Violation(AssertionError):
    """The system broke a promise; the message says which and where."""
