"""What is known about an address: where it is, whose it is, what it is used for. Unknown is None, never False."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Location:
    """Where an address is, as far as location data can tell.

    :param country: ISO 3166-1 alpha-2.
    :param latitude: degrees, with *longitude*; None when only the country is known.
    :param accuracy_km: the radius in which the place probably lies, in kilometres; None when the data do not say.
    """

    country: str | None = None
    city: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    accuracy_km: float | None = None


@dataclass(frozen=True, slots=True)
class Network:
    """An address with what the operator's data say of it; each of them None when no data could tell.

    :param address: in canonical form, an IPv4-mapped one as IPv4.
    :param asn: number of the autonomous system (RFC 1930) that announces it.
    :param organisation: who runs that system.
    :param anonymous: on a list of anonymisers (Tor exits, VPN and proxy ranges).
    :param hosting: in a data centre.
    :param mobile: a mobile carrier's, whose addresses many people share and whose location is a hub's.
    :param listings: for each of the operator's other lists by name, whether it holds the address.
    """

    address: str
    asn: int | None = None
    organisation: str | None = None
    location: Location | None = None
    anonymous: bool | None = None
    hosting: bool | None = None
    mobile: bool | None = None
    listings: Mapping[str, bool | None] = field(default_factory=dict)

    @property
    def site(self) -> str:
        """What one household or machine keeps: the IPv4 address, or the IPv6 /64 (RFC 6177)."""
        return self._prefix(32, 64)

    @property
    def block(self) -> str:
        """The neighbourhood: the IPv4 /24 or the IPv6 /48."""
        return self._prefix(24, 48)

    @property
    def coarse(self) -> str:
        """The first address of the neighbourhood, which says where somebody was but not who."""
        return str(ipaddress.ip_network(self.block).network_address)

    def _prefix(self, v4: int, v6: int) -> str:
        if ":" in self.address:
            return str(ipaddress.IPv6Network((self.address, v6), strict=False))
        return str(ipaddress.IPv4Network((self.address, v4), strict=False))
