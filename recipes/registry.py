"""Registry: which instances of a service live, where, and with what properties.

Guarantee: an instance is listed while it lives and reaches the cluster: registered under a kept
lease, again after that was lost, off the list at once on a clean stop and within its time to live
after a crash. An address nobody could connect to is refused. `follow` shows each change as it
happens, through every outage; a lookup sees every registration answered before it was asked.

What breaks it: an instance can die right after it was seen; be ready for one refused connection.
Two processes at one address are one instance: the last to come has it.

Cost: lease and put to register, one read to look up, one read and one watch to follow.
"""

from collections.abc import Callable, Mapping
from ipaddress import ip_address
from types import TracebackType
from typing import Self

import msgspec

from coord.client import ops
from coord.client.ops import Text
from coord.errors import CoordError, ErrorCode, error_from
from coord.model import KeyValue
from recipes.decoding import UNREADABLE, encoded
from recipes.live import Live
from recipes.mirror import read_all
from recipes.port import KeyStore, SessionStore
from recipes.presence import Presence

PREFIX = "services/"
WEIGHT_MAX = 1000
_PORT_DIGITS_MAX = 5


class Instance(msgspec.Struct, frozen=True):
    """One instance: where it is, its share of the load, and whatever else is worth knowing."""

    address: str
    weight: int = 1
    metadata: Mapping[str, str] = {}


class Registry:
    """The services under one prefix; keys are PREFIX + SERVICE/ADDRESS, values JSON."""

    def __init__(self, client: SessionStore, prefix: Text = PREFIX) -> None:
        self._client = client
        self._prefix = ops.key_bytes(prefix)

    def register(self, service: str, instance: Instance, *, ttl_ms: int = 10_000) -> Presence:
        """Build a registration, to be held with `async with` for as long as the instance serves.

        Args:
            service: its name; not empty, without a slash.
            instance: what to list.
            ttl_ms: for how long at most it stays listed when it dies.

        Raises:
            Misuse: a name, address, weight or metadata that can never work; nothing was sent.
        """
        value = encode(instance)
        check_address(instance.address)
        if not 1 <= instance.weight <= WEIGHT_MAX:
            raise error_from(
                ErrorCode.INVALID_OPTION, f"weight {instance.weight}; 1 to {WEIGHT_MAX} are allowed"
            )
        key = self._service(service) + instance.address.encode()
        return Presence(self._client, key, value, ttl_ms=ttl_ms)

    async def lookup(self, service: str) -> tuple[Instance, ...]:
        """Return the instances that live now, by address."""
        found, _ = await read_all(self._client, self._service(service), prefix=True)
        return _instances(found)

    async def services(self) -> dict[str, tuple[Instance, ...]]:
        """Return every service that has an instance, by name."""
        found, _ = await read_all(self._client, self._prefix, prefix=True)
        names = sorted({key.removeprefix(self._prefix).partition(b"/")[0] for key in found})
        listed = {}
        for name in names:
            start = self._prefix + name + b"/"
            instances = _instances({key: kv for key, kv in found.items() if key.startswith(start)})
            if instances:
                listed[name.decode(errors="replace")] = instances
        return listed

    def follow(self, service: str) -> "Instances":
        """Build a live list of a service's instances, to be entered with `async with`."""
        return Instances(self._client, self._service(service))

    def _service(self, service: str) -> bytes:
        if not service or "/" in service:
            raise error_from(
                ErrorCode.INVALID_OPTION, f"service {service!r}; not empty and without a slash"
            )
        return self._prefix + ops.text_bytes(service) + b"/"


class Instances:
    """The instances of one service, live; made by `Registry.follow`."""

    def __init__(self, client: KeyStore, prefix: bytes) -> None:
        self._live = Live(client, prefix, lambda events: self._read())
        self._living: tuple[Instance, ...] = ()
        self._told: tuple[Instance, ...] = ()

    @property
    def living(self) -> tuple[Instance, ...]:
        """The instances listed at `revision`, by address."""
        return self._living

    @property
    def revision(self) -> int:
        """The revision that `living` shows."""
        return self._live.revision

    @property
    def error(self) -> CoordError | None:
        """Why changes cannot be seen at present; None while all is well."""
        return self._live.error

    async def __aenter__(self) -> Self:
        await self._live.__aenter__()
        self._read()
        self._told = self._living
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._live.__aexit__(kind, error, trace)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until `holds()`; asked again after every change."""
        await self._live.until(holds)

    async def change(self) -> tuple[Instance, ...]:
        """Wait until the list differs from what this returned last (at first: from the start)."""
        await self._live.until(lambda: self._living != self._told)
        self._told = self._living
        return self._living

    def _read(self) -> None:
        self._living = _instances(self._live.keys)


def check_address(address: str) -> None:
    """Check that others can connect to HOST:PORT (an IPv6 host in brackets; SCHEME:// may lead).

    Raises:
        Misuse: no host or port, a port out of range, or an address that only means "any of mine".
    """
    host, _, port = address.rpartition("://")[2].rpartition(":")
    numbers = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    problem = ""
    if not numbers or not port.isascii() or not port.isdigit():
        problem = "HOST:PORT is wanted"
    elif len(port) > _PORT_DIGITS_MAX or not 1 <= int(port) <= 65_535:
        problem = "ports go from 1 to 65535"
    elif any(c.isspace() or c in "/[]" for c in numbers) or (":" in numbers and numbers == host):
        problem = "that is no host; one of IPv6 stands in brackets"
    elif _is_wildcard(numbers):
        problem = "nobody else can connect to that; give the address others use"
    if problem:
        raise error_from(ErrorCode.INVALID_OPTION, f"address {address!r:.200}: {problem}")


def encode(instance: Instance) -> bytes:
    """Return an instance as its key's value.

    Raises:
        Misuse: no lookup would see it, as a field is not of its type.
    """
    return encoded(instance)


def decode(kv: KeyValue) -> Instance | None:
    """Return the instance a key's value tells of; None when it is no registration."""
    try:
        return msgspec.json.decode(kv.value, type=Instance)
    except UNREADABLE:
        return None


def _is_wildcard(host: str) -> bool:
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return host == "*"


def _instances(keys: Mapping[bytes, KeyValue]) -> tuple[Instance, ...]:
    read = (decode(kv) for _, kv in sorted(keys.items()))
    return tuple(instance for instance in read if instance is not None)
