"""What running jobs raises: to a job that ran too long, and to who starts a worker."""


class SoftLimitExceeded(Exception):
    """Raised inside a job that has run for its `soft_limit_ms`: tidy up and end.

    Not a subclass of the job's own errors, so `except ValueError` does not hold it up. Caught and
    passed over, the job goes on until its hard limit.
    """


class AppNotLoaded(Exception):
    """A child could not import the application; it said why on standard error."""
