"""Data files about an imagined world, for the demonstration and tests: every detector can look at first start.

Its networks are addresses and AS numbers reserved for documentation (RFC 5737, 3849, 9637, 5398) and parts of
240.0.0.0/4, which nobody has; its cities are real. The files beside this module are made from the tables by
``python -m idprotect.intelligence.sample.generate``.
"""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

FOLDER = Path(__file__).parent


class Use(StrEnum):
    """What a system's addresses are used for."""

    HOMES = "homes"
    OFFICE = "office"
    MOBILE = "mobile"
    HOSTING = "hosting"


@dataclass(frozen=True, slots=True)
class City:
    """A city, with the ISO 3166 code and the name of its country."""

    name: str
    country: str
    country_name: str
    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True)
class System:
    """An autonomous system. Carriers' places are hubs', so their radius is larger."""

    asn: int
    organisation: str
    use: Use = Use.HOMES
    accuracy_km: int = 20


@dataclass(frozen=True, slots=True)
class Block:
    """Neighbouring addresses of one system in one city."""

    network: str
    system: System
    city: City


AMSTERDAM = City("Amsterdam", "NL", "Netherlands", 52.374, 4.8897)
BERLIN = City("Berlin", "DE", "Germany", 52.524, 13.411)
LAGOS = City("Lagos", "NG", "Nigeria", 6.4541, 3.3947)
LONDON = City("London", "GB", "United Kingdom", 51.5085, -0.1257)
MANCHESTER = City("Manchester", "GB", "United Kingdom", 53.4809, -2.2374)
MUMBAI = City("Mumbai", "IN", "India", 19.0728, 72.8826)
NEW_YORK = City("New York", "US", "United States", 40.7143, -74.006)
OSLO = City("Oslo", "NO", "Norway", 59.9127, 10.7461)
PARIS = City("Paris", "FR", "France", 48.8534, 2.3488)
SAN_FRANCISCO = City("San Francisco", "US", "United States", 37.7749, -122.4194)
SAO_PAULO = City("São Paulo", "BR", "Brazil", -23.5475, -46.6361)
SINGAPORE = City("Singapore", "SG", "Singapore", 1.2897, 103.8501)
SYDNEY = City("Sydney", "AU", "Australia", -33.8678, 151.2073)
TOKYO = City("Tokyo", "JP", "Japan", 35.6895, 139.6917)

FIBRE_GB = System(64496, "Example Fibre UK")
MOBILE_GB = System(64497, "Example Mobile UK", Use.MOBILE, 200)
OFFICE_GB = System(64498, "Northwind Boats Ltd", Use.OFFICE, 5)
FIBRE_EU = System(64499, "Example Broadband Europe")
CABLE_US = System(64500, "Example Cable America")
MOBILE_US = System(64501, "Example Wireless America", Use.MOBILE, 500)
FIBRE_BR = System(64502, "Example Fibra Brasil", accuracy_km=50)
FIBRE_JP = System(64503, "Example Hikari Japan", accuracy_km=10)
FIBRE_AU = System(64504, "Example Broadband Australia", accuracy_km=50)
MOBILE_NG = System(64505, "Example Mobile Nigeria", Use.MOBILE, 200)
FIBRE_IN = System(64506, "Example Broadband India", accuracy_km=100)
CLOUD = System(64507, "Example Cloud Hosting", Use.HOSTING)
TUNNEL = System(64508, "Example Quiet Tunnel VPN", Use.HOSTING)

BLOCKS = (
    Block("198.51.100.0/26", FIBRE_GB, LONDON),
    Block("198.51.100.64/26", FIBRE_GB, MANCHESTER),
    Block("198.51.100.128/26", MOBILE_GB, LONDON),
    Block("198.51.100.192/26", OFFICE_GB, LONDON),
    Block("192.0.2.0/27", FIBRE_EU, OSLO),
    Block("192.0.2.32/27", FIBRE_EU, BERLIN),
    Block("192.0.2.64/27", FIBRE_EU, PARIS),
    Block("192.0.2.96/27", FIBRE_EU, AMSTERDAM),
    Block("192.0.2.128/26", CABLE_US, NEW_YORK),
    Block("192.0.2.192/27", CABLE_US, SAN_FRANCISCO),
    Block("192.0.2.224/27", MOBILE_US, SAN_FRANCISCO),
    Block("203.0.113.0/26", CLOUD, SINGAPORE),
    Block("203.0.113.64/26", CLOUD, AMSTERDAM),
    Block("203.0.113.128/26", TUNNEL, BERLIN),
    Block("203.0.113.192/26", FIBRE_BR, SAO_PAULO),
    Block("240.1.0.0/16", FIBRE_JP, TOKYO),
    Block("240.2.0.0/16", FIBRE_AU, SYDNEY),
    Block("240.3.0.0/16", MOBILE_NG, LAGOS),
    Block("240.4.0.0/16", FIBRE_IN, MUMBAI),
    Block("240.5.0.0/16", CABLE_US, NEW_YORK),
    Block("2001:db8::/36", FIBRE_GB, LONDON),
    Block("2001:db8:1000::/36", MOBILE_GB, LONDON),
    Block("2001:db8:2000::/36", FIBRE_EU, OSLO),
    Block("2001:db8:c000::/36", CLOUD, AMSTERDAM),
    Block("3fff::/24", CABLE_US, NEW_YORK),
    Block("3fff:100::/24", FIBRE_JP, TOKYO),
    Block("3fff:200::/24", MOBILE_US, SAN_FRANCISCO),
)

#: In the data centre in Amsterdam.
TOR_EXITS = ("203.0.113.66", "203.0.113.67", "203.0.113.70", "203.0.113.91", "2001:db8:c000::66")
#: The ways out of the VPN, and a proxy that somebody left open at home.
ANONYMOUS_PROXIES = ("203.0.113.128/26", "240.4.7.7")
#: Infected machines, one of them at home in São Paulo.
ABUSE_IPS = ("203.0.113.12", "203.0.113.200", "240.3.9.9", "240.1.128.0/24")
