"""From which address a request comes: the peer's, or what proxies of ours say, hop by hop, and why. Pure.

Only ``X-Forwarded-For`` is read, from right to left, for as long as the hop that wrote it is a proxy of ours:
everything further left was written by whoever came by.
"""

import ipaddress
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

FORWARDED_FOR = "X-Forwarded-For"
#: Headers by which proxies tell of themselves or of whom they speak for.
HEADERS = (
    FORWARDED_FOR,
    "Forwarded",
    "X-Real-IP",
    "X-Client-IP",
    "X-Cluster-Client-IP",
    "True-Client-IP",
    "CF-Connecting-IP",
    "Via",
)


class Standing(StrEnum):
    """What a hop is to us."""

    #: A proxy of ours: it is believed about the hop before it.
    TRUSTED = "trusted"
    #: The client's address.
    BELIEVED = "believed"
    #: Written by somebody who is not trusted.
    IGNORED = "ignored"
    #: Not an address, though a proxy of ours says it: the client is not known.
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Hop:
    """One address on the way, and why it is what it is.

    :param said: as it was written.
    :param why: for people.
    """

    said: str
    standing: Standing
    why: str


@dataclass(frozen=True, slots=True)
class Trail:
    """The way of one request, the peer first.

    :param address: the client's, in canonical form; None when it cannot be told.
    :param is_plain: a public address connected to us, no proxy is named, and no header tells of one.
    :param warnings: what is doubtful about the set-up, for people.
    """

    address: str | None
    hops: tuple[Hop, ...]
    is_plain: bool
    warnings: tuple[str, ...]


def of(peer: str, forwarded_for: str | None, trusted: Sequence[str]) -> str | None:
    """Return the client's address, None when it cannot be told.

    :param peer: who connected to us.
    :param forwarded_for: the header, None when it was not sent.
    :param trusted: networks of our proxies.
    """
    address, _ = _find(_hops(peer, forwarded_for), trusted)
    return str(address) if address is not None else None


def is_plain(peer: str, headers: Collection[str], trusted: Sequence[str]) -> bool:
    """Whether the peer itself is plainly the client; *headers* are the names of those in :data:`HEADERS` that came."""
    address = canonical(peer)
    return not trusted and not headers and address is not None and address.is_global


def follow(peer: str, forwarded_for: str | None, headers: Collection[str], trusted: Sequence[str]) -> Trail:
    """Return the whole way, with reasons."""
    hops = _hops(peer, forwarded_for)
    address, place = _find(hops, trusted)
    return Trail(
        str(address) if address is not None else None,
        tuple(_explain(hops, place, address is not None)),
        is_plain(peer, headers, trusted),
        tuple(_warnings(hops, place, address, headers, trusted)),
    )


def canonical(text: str) -> IpAddress | None:
    """Return an address; an IPv4-mapped one as IPv4, None for what is none."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id:
            return None
        return address.ipv4_mapped or address
    return address


def _hops(peer: str, forwarded_for: str | None) -> list[str]:
    written = [hop.strip() for hop in forwarded_for.split(",")] if forwarded_for is not None else []
    return [peer, *reversed(written)]


def _find(hops: Sequence[str], trusted: Sequence[str]) -> tuple[IpAddress | None, int]:
    """Return the client's address and its place among the hops: the first that is no proxy of ours, or the last."""
    networks = _networks(tuple(trusted))
    address: IpAddress | None = None
    for place, hop in enumerate(hops):
        address = canonical(hop)
        if address is None or not _is_in(address, networks):
            return address, place
    return address, len(hops) - 1


def _explain(hops: Sequence[str], place: int, is_known: bool) -> Iterator[Hop]:
    for number, said in enumerate(hops):
        whence = "it connected to this server" if number == 0 else f"{hops[number - 1]} says so"
        if number < place:
            yield Hop(said, Standing.TRUSTED, f"{whence}; IDPROTECT_TRUSTED_PROXIES names its network")
        elif number > place:
            yield Hop(said, Standing.IGNORED, f"{hops[place]} is no proxy of ours, and could write anything")
        elif is_known:
            yield Hop(said, Standing.BELIEVED, f"{whence}; nothing that we trust says whom it speaks for")
        else:
            yield Hop(said, Standing.UNREADABLE, f"{whence}; it is no address, so the client is not known")


def _warnings(
    hops: Sequence[str],
    place: int,
    address: IpAddress | None,
    headers: Collection[str],
    trusted: Sequence[str],
) -> Iterator[str]:
    if address is None:
        yield "The client's address is not known: nothing is judged by it."
    elif not address.is_global:
        yield (
            f"{address} is private, of this machine or reserved. If a reverse proxy has it, name its network in "
            "IDPROTECT_TRUSTED_PROXIES; until then everybody seems to come from there."
        )
    elif _is_in(address, _networks(tuple(trusted))):
        yield f"{address} is a proxy of ours itself, and says of nobody whom it speaks for."
    if place < len(hops) - 1 and address is not None:
        yield (
            f"{FORWARDED_FOR} came from {hops[place]}, which is not trusted, and was not believed. Right if that is a "
            "visitor; if it is your proxy, name its network in IDPROTECT_TRUSTED_PROXIES."
        )
    if others := [name for name in headers if name != FORWARDED_FOR]:
        yield f"Never read, whoever sends it: {', '.join(others)}. A proxy has to send {FORWARDED_FOR}."
    if trusted and place == 0:
        yield "Proxies are named in IDPROTECT_TRUSTED_PROXIES, but this request did not come by one of them."


def _is_in(address: IpAddress, networks: Sequence[IpNetwork]) -> bool:
    return any(network.version == address.version and address in network for network in networks)


@lru_cache(maxsize=64)
def _networks(texts: tuple[str, ...]) -> tuple[IpNetwork, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)
