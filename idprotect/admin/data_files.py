"""The data files that signals come from: what each is for, where such files come from, and how to give one."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class DataFile:
    """One setting that names data.

    :param needed_for: what is not evaluated without it.
    :param source: where operators get such a file.
    :param value: what the setting could say.
    """

    setting: str
    title: str
    needed_for: str
    source: str
    value: str


DATA_FILES: Sequence[DataFile] = (
    DataFile(
        "IDPROTECT_CITY_DATABASE",
        "Places of addresses",
        "Impossible travel, new countries, unfamiliar places, and policies about countries.",
        "A city database in MaxMind’s format: GeoLite2 City (free with an account at MaxMind, whose geoipupdate keeps "
        "it new), DB-IP City Lite, or one that you pay for.",
        "/var/lib/geoip/GeoLite2-City.mmdb",
    ),
    DataFile(
        "IDPROTECT_ASN_DATABASE",
        "Networks of addresses",
        "Unfamiliar networks, many accounts out of one network, and applications that come from a new one.",
        "An ASN database in MaxMind’s format: GeoLite2 ASN, DB-IP ASN Lite, or one that you pay for.",
        "/var/lib/geoip/GeoLite2-ASN.mmdb",
    ),
    DataFile(
        "IDPROTECT_ADDRESS_LISTS",
        "Lists of addresses",
        "Anonymisers (Tor, proxies, VPN), data centres, mobile carriers, and whatever else you have a list of.",
        "Text files with one address, network or AS number a line: the Tor Project’s list of exit addresses, the "
        "networks that your cloud providers publish, a feed that you subscribe to, or a list of your own.",
        "tor=/data/exits.txt@anonymous,botnet=/data/bots.txt@medium",
    ),
    DataFile(
        "IDPROTECT_BREACHED_PASSWORDS",
        "Breached passwords",
        "Leaked credentials at sign-in, and the refusal of breached passwords as new ones.",
        "Pwned Passwords of Have I Been Pwned, fetched with its own downloader: a folder of range files, or one sorted "
        "file with SHA1:count a line.",
        "/data/pwned-passwords",
    ),
)
