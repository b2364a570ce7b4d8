"""Configuration: settings read once, then followed, as values of the types the program declared.

Guarantee: a setting's value is the newest good one this process has been told of, and never goes
back in time: it is read once at the start and followed by watch from that revision on, through
reconnects, leader changes and compaction (then it is read anew). A value that is not of the
declared type is reported in `problem`, and the last good one stays. Handlers hear of each change
in order, until compaction overtook; then of the newest only.

What breaks it: two processes may for a moment see different values. What must change everywhere
at once belongs behind a revision the processes agree on.

Cost: one read at the start, one watch; reading a setting is a look into memory. A put to set.
"""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import msgspec
from attrs import frozen

from coord.client import ops
from coord.client.ops import Text
from coord.errors import CoordError, ErrorCode, error_from
from coord.model import Event, EventKind
from recipes.decoding import UNREADABLE
from recipes.live import Live
from recipes.port import KeyStore

T = TypeVar("T")


@frozen
class Change:
    """What happened to a setting: its raw value, None when it was deleted."""

    name: str
    value: bytes | None
    revision: int


class Setting(Generic[T]):
    """One declared setting; made by `Config.setting`."""

    def __init__(self, name: str, kind: Any, default: T) -> None:
        self.name = name
        self.value: T = default
        """The newest good value; the default while there is none."""
        self.revision = 0
        """The revision that wrote `value`, or deleted it; 0 for the default."""
        self.problem = ""
        """Why the newest value in the store is not the one in use; empty when it is."""
        self._kind = kind
        self._default = default
        self._handlers: list[Callable[[T], None]] = []

    def on_change(self, handler: Callable[[T], None]) -> None:
        """Have `handler` called on the event loop with each new good value.

        One that raises is reported by the loop's exception handler, and disturbs nobody.
        """
        self._handlers.append(handler)

    def take(self, change: Change, *, starting: bool = False) -> None:
        """Take a change in; those not newer than what is known are passed over."""
        if change.revision <= self.revision:
            return
        try:
            new = self._default if change.value is None else parse(change.value, self._kind)
        except ValueError as error:
            self.problem = str(error)
            return
        told = new != self.value and not starting
        self.value, self.revision, self.problem = new, change.revision, ""
        for handler in self._handlers if told else ():
            asyncio.get_running_loop().call_soon(handler, new)


class Config:
    """The settings under one prefix. Use as `async with Config(client, "config/app/") as config`.

    A setting's key is the prefix and its name; its value is JSON, or plain text where a str is
    wanted. Settings may be declared before or after entering.
    """

    def __init__(self, client: KeyStore, prefix: Text) -> None:
        self._client = client
        self._prefix = ops.key_bytes(prefix)
        self._live = Live(client, prefix, self._take)
        self._settings: dict[str, list[Setting[Any]]] = {}
        self._handlers: list[tuple[str, bool, Callable[[Change], None]]] = []

    @property
    def revision(self) -> int:
        """The revision up to which changes are known."""
        return self._live.revision

    @property
    def error(self) -> CoordError | None:
        """Why changes cannot be seen at present; None while all is well."""
        return self._live.error

    @property
    def problems(self) -> dict[str, str]:
        """What is wrong with which setting's newest value; empty when all are good."""
        every = (setting for settings in self._settings.values() for setting in settings)
        return {setting.name: setting.problem for setting in every if setting.problem}

    def setting(self, name: str, kind: type[T], default: T) -> Setting[T]:
        """Declare a setting.

        Args:
            name: its key without the prefix.
            kind: the type of its value: whatever msgspec can convert to, or str, or bytes.
            default: the value where the store has none.
        """
        declared = Setting(name, kind, default)
        self._settings.setdefault(name, []).append(declared)
        self._start(declared)
        return declared

    def on_change(
        self, name: str, handler: Callable[[Change], None], *, prefix: bool = False
    ) -> None:
        """Have `handler` called on the event loop with each change of a name, or of a prefix.

        It hears of changes after the start, good or bad. One that raises is reported by the
        loop's exception handler, and disturbs nobody.
        """
        self._handlers.append((name, prefix, handler))

    def raw(self, name: str) -> bytes | None:
        """Return what the store holds under a name, unconverted; None where there is nothing."""
        kv = self._live.keys.get(self._prefix + name.encode())
        return None if kv is None else kv.value

    async def set(self, name: str, value: object) -> int:
        """Write a setting, as this or any process; return the revision.

        Raises:
            Misuse: `value` is not of a type it was declared with here; nothing was written.
        """
        raw = to_bytes(value)
        for setting in self._settings.get(name, ()):
            try:
                parse(raw, setting._kind)
            except ValueError as error:
                raise error_from(ErrorCode.INVALID_OPTION, f"{name}: {error}") from error
        return (await self._client.put(self._prefix + name.encode(), raw)).revision

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until `holds()`; asked again after every change."""
        await self._live.until(holds)

    async def __aenter__(self) -> Self:
        await self._live.__aenter__()
        for settings in self._settings.values():
            for setting in settings:
                self._start(setting)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._live.__aexit__(kind, error, trace)

    def _start(self, setting: Setting[Any]) -> None:
        kv = self._live.keys.get(self._prefix + setting.name.encode())
        if kv is not None:
            setting.take(Change(setting.name, kv.value, kv.mod_revision), starting=True)

    def _take(self, events: tuple[Event, ...]) -> None:
        for event in events:
            name = event.kv.key.removeprefix(self._prefix).decode(errors="replace")
            value = event.kv.value if event.kind is EventKind.PUT else None
            change = Change(name, value, event.kv.mod_revision)
            for setting in self._settings.get(name, ()):
                setting.take(change)
            for wanted, is_prefix, handler in self._handlers:
                if name.startswith(wanted) if is_prefix else name == wanted:
                    asyncio.get_running_loop().call_soon(handler, change)


def parse(raw: bytes, kind: Any) -> Any:
    """Return a stored value as `kind`: JSON if it is that, else its text.

    Raises:
        ValueError: it is not of that type; the text says why.
    """
    if kind is bytes:
        return raw
    text = raw.decode()
    if kind is str:
        return text
    try:
        value = msgspec.json.decode(raw)
    except UNREADABLE:
        value = text  # a date, an address: what people write without quotes
    return msgspec.convert(value, kind, strict=False)


def to_bytes(value: object) -> bytes:
    """Return a value as it is stored: text as it is, all else as JSON."""
    if isinstance(value, str | bytes):
        return ops.text_bytes(value)
    return msgspec.json.encode(value)
