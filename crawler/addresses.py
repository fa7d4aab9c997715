"""Which addresses may be asked: those the operator declared, and public ones. Pure.

Owns the reading of hosts in all their forms and the table of what is not public. It resolves no
name: what a name stands for is judged on the address that is really connected to.
"""

from __future__ import annotations

import re
from collections.abc import Set
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import unquote, urlsplit

Address = IPv4Address | IPv6Address
Origin = tuple[str, int]
"""A host, as ``read_origin`` gives it, and a port."""

PORTS = {"http": 80, "https": 443}

# The IANA special-purpose registries, whatever this Python's own copy of them says. One list
# serves all versions: 3.11 takes several of these for global.
_NOT_PUBLIC_4 = tuple(map(IPv4Network, (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
    "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15",
    "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
)))  # fmt: skip
# Of IPv6 only 2000::/3 is given out at all; of that: IETF protocols with Teredo and ORCHID,
# documentation twice, 6to4.
_PUBLIC_6 = IPv6Network("2000::/3")
_NOT_PUBLIC_6 = tuple(map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")))
# Behind NAT64 every IPv4 site has an address in here, so what it holds is judged.
_NAT64 = IPv6Network("64:ff9b::/96")
# Names that stand for this machine without asking anybody (RFC 6761; Debian's hosts file).
_LOCAL_NAMES = re.compile(
    r"(?:.*\.)?(?:localhost|localhost\.?localdomain|ip6-(?:localhost|loopback))"
)
_HOST_NAME = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")
# Where the last label is a number the host is an IPv4 address, well written or not (WHATWG URL).
_ENDS_IN_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")


def is_public(address: str | Address) -> bool:
    """Tells whether an IP address belongs to the open internet. A zone (``%eth0``) never does.

    >>> is_public("8.8.8.8"), is_public("::ffff:10.0.0.1"), is_public("169.254.169.254")
    (True, False, False)
    """
    ip = ip_address(address) if isinstance(address, str) else address
    if isinstance(ip, IPv4Address):
        return not any(ip in network for network in _NOT_PUBLIC_4)
    if ip.scope_id is not None:
        return False
    if ip.ipv4_mapped is not None:
        return is_public(ip.ipv4_mapped)
    if ip in _NAT64:
        return is_public(IPv4Address(int(ip) & 0xFFFFFFFF))
    return ip in _PUBLIC_6 and not any(ip in network for network in _NOT_PUBLIC_6)


def read_address(host: str) -> Address | None:
    """Gives the IP address that a host is, also where it is written in hexadecimal, octal, as one
    number or in fewer than four parts as ``inet_aton`` takes it; None for a name.

    Raises ValueError for a number that is no address.

    >>> read_address("0x7f.1"), read_address("017700000001"), read_address("a.example")
    (IPv4Address('127.0.0.1'), IPv4Address('127.0.0.1'), None)
    """
    if ":" in host:
        return ip_address(host)
    if not _ENDS_IN_NUMBER.fullmatch(host):
        return None
    try:
        *first, last = map(_read_number, host.split("."))
    except ValueError:
        raise ValueError(f"{host} is no address") from None
    if len(first) > 3 or max(first, default=0) > 255 or last >= 256 ** (4 - len(first)):
        raise ValueError(f"{host} is no address")
    return IPv4Address(sum(n << 8 * (3 - i) for i, n in enumerate(first)) + last)


def _read_number(part: str) -> int:
    if part.startswith("0x"):
        return int(part[2:] or "0", 16)
    return int(part, 8 if part.startswith("0") else 10)


def read_origin(url: str) -> Origin:
    """Gives the host and the port of a URL: the host in lower case, in ASCII, without a dot at the
    end, an IP address in its plain form, so that equal ones are equal.

    Raises ValueError where there is none that a name server could know.
    """
    parts = urlsplit(url)
    port = parts.port or PORTS.get(parts.scheme, 0)
    return read_host(unquote(parts.hostname or "")), port


def read_host(host: str) -> str:
    """Gives a host as it stands in an origin; see ``read_origin``."""
    if not host.isascii():
        host = host.encode("idna").decode()  # full-width and circled digits, 。 for a dot
    host = host.lower().removesuffix(".")
    if not host:
        raise ValueError("it names no host")
    address = read_address(host)
    if address is None and not (_HOST_NAME.fullmatch(host) and len(host) < 254):
        raise ValueError(f"{host[:80]!r} is no host")
    return host if address is None else str(address)


def refuse_address(url: str, declared: Set[Origin]) -> str | None:
    """Gives the reason why an address must not be asked, as far as its form tells; None when it
    may be tried. ``declared`` are the origins that the operator named.
    """
    try:
        scheme = urlsplit(url).scheme
        if scheme not in PORTS:
            return f"{scheme or 'no scheme'} is not http or https"
        origin = read_origin(url)
        if "@" in urlsplit(url).netloc:
            return "a user name in the address"
    except ValueError as error:
        return f"it cannot be read: {error}"
    host = origin[0]
    if origin in declared:
        return None
    if _LOCAL_NAMES.fullmatch(host):
        return f"{host} is not public"
    address = read_address(host)
    if address is None:
        return None
    if not is_public(address):
        return f"{address} is not public"
    written = urlsplit(url).hostname
    if isinstance(address, IPv4Address) and written != host:
        return f"{written} is {address}, oddly written"
    return None
