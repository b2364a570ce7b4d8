"""A signal as it is kept: when it was given, by whom, and what was said."""

import msgspec

from recipes.decoding import UNREADABLE


class Given(msgspec.Struct, frozen=True, omit_defaults=True):
    """A signal: when, by whom, and what was said."""

    unix_ms: int
    by: str = ""
    message: str = ""

    def __str__(self) -> str:
        who = f"by {self.by}" if self.by else ""
        return f"{who}: {self.message}" if who and self.message else who or self.message


_decoder = msgspec.json.Decoder(Given)


def encode_given(given: Given) -> bytes:
    """Return a signal as it is kept."""
    return msgspec.json.encode(given)


def decode_given(value: bytes) -> Given:
    """Return the signal a value stands for; one put by hand says only what it says."""
    try:
        return _decoder.decode(value)
    except UNREADABLE:
        return Given(0, message=value.decode(errors="replace"))
