"""Which addresses belong to the wide internet, and which hosts of the inside an operator allows nevertheless."""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Self
from urllib.parse import urlsplit

_PORTS = {"http": 80, "https": 443}
_ENTRY = re.compile(
    r"(?P<host>\[[0-9a-f:.]+\]|(\*\.)?[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?)"
    r"(:(?P<port>[0-9]{1,5}))?"
)

# Written out: what the standard library calls global changes from one Python to the next.
_INSIDE_4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this host
        "10.0.0.0/8",
        "100.64.0.0/10",  # shared by carriers; some clouds keep their metadata there
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's own service to its machines
        "169.254.0.0/16",  # link-local, and the metadata of most clouds
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",
    )
)
# All else is inside: loopback, mapped and translated IPv4 (NAT64), unique local, link-local, multicast.
_OUTSIDE_6 = IPv6Network("2000::/3")
_INSIDE_6 = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # Teredo and other protocols
        "2001:db8::/32",
        "2002::/16",  # 6to4: an IPv4 address is in it
        "3fff::/20",
    )
)
_ISATAP = (0x00005EFE, 0x02005EFE)  # before an IPv4 address, at the end of an IPv6 address


def is_outside(address: str) -> bool:
    """Whether it is a public unicast address."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    if isinstance(found, IPv4Address):
        return not any(found in network for network in _INSIDE_4)
    return _is_outside_6(found)


def _is_outside_6(address: IPv6Address) -> bool:
    if address.scope_id is not None or address not in _OUTSIDE_6 or int(address) >> 32 & 0xFFFFFFFF in _ISATAP:
        return False
    return not any(address in network for network in _INSIDE_6)


@dataclass(frozen=True)
class AllowedHosts:
    """Names as they stand in addresses, ``*.`` for all below one, each with a port or for all ports."""

    entries: frozenset[tuple[str, int | None]] = frozenset()

    @classmethod
    def parsed(cls, text: str) -> Self:
        """Comma-separated: ``files.corp.example, *.build.example:8443, [fd00::7]``. Raises ValueError."""
        return cls(frozenset(_entry(part.strip()) for part in text.split(",") if part.strip()))

    def with_origin(self, url: str) -> Self:
        """These, and the one host and port of an address that is trusted."""
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme, 0)
        return type(self)(self.entries | {(_plain(parts.hostname or ""), port)})

    def allows(self, host: str, port: int) -> bool:
        name = _plain(host)
        above = [f"*.{name.split('.', count)[count]}" for count in range(1, name.count(".") + 1)]
        return any((candidate, of) in self.entries for candidate in (name, *above) for of in (port, None))


def _entry(text: str) -> tuple[str, int | None]:
    found = _ENTRY.fullmatch(text.lower())
    if found is None:
        raise ValueError(f"{text!r} is no host: write files.corp.example, *.corp.example or files.corp.example:8443")
    return _plain(found["host"]), int(found["port"]) if found["port"] else None


def _plain(host: str) -> str:
    return host.lower().strip("[]").removesuffix(".")
