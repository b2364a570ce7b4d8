"""What tells that a stored value is not what it should be.

Anybody can write anything under any key. Whoever follows keys passes over what cannot be read, or
one such value would end them all; so every place that decodes one catches the same.
"""

import msgspec

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""Not of the format or the type, text that is no UTF-8, nested deeper than can be followed."""
