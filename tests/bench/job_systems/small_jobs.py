"""The two jobs every system runs: nothing at all, and a little work with a file."""

import tempfile

SMALL_IO_BYTES = 4096


def noop(number: int) -> int:
    """Return the number."""
    return number


def small_io(number: int) -> int:
    """Write a page to a file of its own and read it back."""
    with tempfile.TemporaryFile() as file:
        file.write(b"x" * SMALL_IO_BYTES)
        file.seek(0)
        assert len(file.read()) == SMALL_IO_BYTES
    return number
