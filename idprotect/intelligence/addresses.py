"""Addresses as numbers: their canonical form, and which of them are public."""

import ipaddress
from bisect import bisect_right
from collections.abc import Iterable, Iterator

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Range = tuple[int, int]

#: Data must never speak of the reverse proxy or of a neighbour in the data centre, so these are nowhere.
#: Documentation ranges and 240.0.0.0/4 count as public: the demonstration and simulated logs live there.
NOT_PUBLIC = (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
    "192.0.0.0/24", "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/4",
    "::/96", "::ffff:0:0/96", "64:ff9b:1::/48", "100::/64", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
)  # fmt: skip


def parse(text: str) -> Address:
    """Return an address in canonical form.

    :raises ValueError: it is none.
    """
    return canonical(ipaddress.ip_address(text))


def canonical(address: Address) -> Address:
    """Return the IPv4 address that a dual-stack socket shows as ::ffff:a.b.c.d, so that both forms match."""
    if isinstance(address, ipaddress.IPv6Address):
        if (mapped := address.ipv4_mapped) is not None:
            return mapped
        if address.scope_id is not None:
            return ipaddress.IPv6Address(int(address))
    return address


def is_public(address: Address) -> bool:
    """Whether data about networks can know the address."""
    firsts, lasts = _FIRSTS[address.version], _LASTS[address.version]
    number = int(address)
    place = bisect_right(firsts, number) - 1
    return place < 0 or number > lasts[place]


def public_parts(family: int, wanted: Range) -> Iterator[Range]:
    """Cut what is not public out of a range."""
    first, last = wanted
    for start, end in zip(_FIRSTS[family], _LASTS[family], strict=True):
        if end < first or start > last:
            continue
        if first < start:
            yield first, start - 1
        first = end + 1
    if first <= last:
        yield first, last


def _ranges(networks: Iterable[str], family: int) -> list[Range]:
    parsed = (ipaddress.ip_network(network) for network in networks)
    return sorted((int(n.network_address), int(n.broadcast_address)) for n in parsed if n.version == family)


_FIRSTS = {family: [first for first, _ in _ranges(NOT_PUBLIC, family)] for family in (4, 6)}
_LASTS = {family: [last for _, last in _ranges(NOT_PUBLIC, family)] for family in (4, 6)}
