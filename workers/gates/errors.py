"""What gates raise beside the client's own errors. Each says that nothing was done."""

from coord.errors import Refused


class UnknownGate(Refused):
    """There is no gate of this name."""
