"""May we open a connection to this address?

Rule: this file decides by looking at an IP address and nothing else. Names are
resolved elsewhere, and what was resolved is what gets connected to.
"""

import re
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Self

Network = IPv4Network | IPv6Network

# https://www.iana.org/assignments/iana-ipv4-special-registry and what clouds put elsewhere. `ipaddress` has
# no such answer: which addresses its `is_global` lets through differs from one Python to the next.
_REFUSED_V4 = {
    "0.0.0.0/8": "this host",
    "10.0.0.0/8": "private",
    "100.64.0.0/10": "shared by a carrier's customers; some clouds keep instance metadata there",
    "127.0.0.0/8": "loopback",
    "168.63.129.16/32": "the host of an Azure machine",
    "169.254.0.0/16": "link-local, instance metadata",
    "172.16.0.0/12": "private",
    "192.0.0.0/24": "protocol assignments; some clouds keep instance metadata there",
    "192.0.2.0/24": "documentation",
    "192.88.99.0/24": "6to4 relays",
    "192.168.0.0/16": "private",
    "198.18.0.0/15": "benchmarks",
    "198.51.100.0/24": "documentation",
    "203.0.113.0/24": "documentation",
    "224.0.0.0/4": "multicast",
    "240.0.0.0/4": "reserved, broadcast",
}

# https://www.iana.org/assignments/iana-ipv6-special-registry, as far as it lies within global unicast.
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_REFUSED_V6 = {
    "2001::/23": "protocol assignments, Teredo",
    "2001:db8::/32": "documentation",
    "2002::/16": "6to4, an IPv4 address in disguise",
    "3fff::/20": "documentation",
}

# Where a network has no IPv4 of its own, every IPv4 server is reached through this prefix. RFC 6052.
_NAT64 = IPv6Network("64:ff9b::/96")

# The lower half of an ISATAP address: an IPv4 address in disguise, under any prefix. RFC 5214, section 6.1.
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)

_REFUSED: tuple[tuple[Network, str], ...] = tuple(
    (ip_network(network), reason) for network, reason in (_REFUSED_V4 | _REFUSED_V6).items()
)


def is_public(address: str) -> bool:
    """Is `address` one that anybody on the internet may be asked to reach?

    Anything but a plain IPv4 or IPv6 address (a name, a zone id) is not.
    """
    return reason_against(address) is None


def reason_against(address: str) -> str | None:
    """Why `address` is not public; `None` where it is."""
    parsed = _parsed(address)
    return "not a plain IP address" if parsed is None else _reason_against(parsed)


def _reason_against(address: IPv4Address | IPv6Address) -> str | None:
    if isinstance(address, IPv6Address):
        if address in _NAT64:
            return _reason_against(IPv4Address(int(address) & 0xFFFF_FFFF))
        if address not in _GLOBAL_UNICAST:
            return "outside global unicast"
        if int(address) >> 32 & 0xFFFF_FFFF in _ISATAP:
            return "ISATAP, an IPv4 address in disguise"
    return next((reason for network, reason in _REFUSED if address in network), None)


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    if "%" in address:  # a zone id: good on one link only
        return None
    try:
        return ip_address(address)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Allowance:
    """One entry of the operator's list: a network, or a host by its name; one port, or all of them (`None`)."""

    where: Network | str
    port: int | None = None

    @classmethod
    def parse(cls, entry: str) -> Self:
        """Read `host:port`, an address or a network. Raises `ValueError`."""
        try:
            return cls(ip_network(entry))
        except ValueError:
            host, port = _host_and_port(entry)
        try:
            return cls(ip_network(host), port)
        except ValueError:
            return cls(host, port)

    def covers(self, address: IPv4Address | IPv6Address, port: int, host: str) -> bool:
        if self.port not in (None, port):
            return False
        return host == self.where if isinstance(self.where, str) else address in self.where


@dataclass(frozen=True, slots=True)
class Addresses:
    """Which addresses may be connected to: the public ones, and what the operator allows besides."""

    allowed: tuple[Allowance, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a comma-separated list of `host:port`, addresses and networks.

        Raises `ValueError` with the bad entry and what was expected.
        """
        entries = (entry.strip() for entry in text.split(","))
        return cls(tuple(Allowance.parse(entry) for entry in entries if entry))

    def permits(self, address: str, port: int, host: str = "") -> bool:
        """May `address`, which `host` was resolved to, be connected to on `port`?"""
        return is_public(address) or self.allows(address, port, host)

    def allows(self, address: str, port: int, host: str = "") -> bool:
        """Did the operator name it, public or not?"""
        parsed = _parsed(address)
        name = normal_name(host)
        return parsed is not None and any(allowance.covers(parsed, port, name) for allowance in self.allowed)


def normal_name(host: str) -> str:
    """A host's name as names are compared: lower case, without the final dot."""
    return host.lower().removesuffix(".")


_HOST_AND_PORT = re.compile(r"(\[[0-9a-f:.]+\]|[0-9a-z._-]+):([0-9]{1,5})", re.IGNORECASE | re.ASCII)


def _host_and_port(entry: str) -> tuple[str, int]:
    found = _HOST_AND_PORT.fullmatch(entry)
    if found and 0 < int(found[2]) < 1 << 16:
        return normal_name(found[1].strip("[]")), int(found[2])
    raise ValueError(
        f"{entry!r} is neither host:port nor an address nor a network. "
        "Examples: 127.0.0.1:9001, [::1]:9001, images.internal:443, 10.1.2.3, 10.0.0.0/8"
    )
