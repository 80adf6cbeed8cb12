"""Makes attempts of a log's messages, as the live path makes them of requests."""

import secrets
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from idprotect import user_agents
from idprotect.intelligence import Intelligence
from idprotect.intelligence.addresses import parse
from idprotect.replay.problems import Problems
from idprotect.risk import Attempt, Kind, Location, Network

#: What a log may say of an address; the rest is looked up.
STATED = ("asn", "as_org", "country", "city", "lat", "lon")


class Attempts:
    """Reads attempts. Addresses are remembered under pseudonyms of a key that nobody keeps."""

    def __init__(self, intelligence: Intelligence | None) -> None:
        self._intelligence = intelligence
        self._key = secrets.token_bytes(16)
        self._network = lru_cache(65536)(self._find_network)

    def read(self, message: Mapping[str, Any], at: float, problems: Problems) -> Attempt:
        """Return the attempt of a message whose fields were checked."""
        network, site, block = self._of_address(message, problems)
        kind = message.get("kind")
        if kind is None:
            problems.complain("without a kind; it is taken for a sign-in with a password")
        return Attempt(
            at=at,
            kind=Kind(kind or Kind.PASSWORD),
            user=message.get("user"),
            network=network,
            browser=user_agents.read(message.get("ua") or ""),
            site=site,
            block=block,
            platform_version=message.get("ch_platform_version"),
            model=message.get("ch_model"),
            device=message.get("device_cookie"),
            session=message.get("session"),
            round_trip_ms=message.get("rtt_ms"),
            password_ok=message.get("password_ok"),
        )

    def _of_address(self, message: Mapping[str, Any], problems: Problems) -> tuple[Network | None, str, str]:
        if (address := message.get("ip")) is None:
            return None, "", ""
        try:
            return self._network(address, *(message.get(name) for name in STATED))
        except ValueError:
            problems.complain(f"ip {address[:60]!r} is no address; it is taken as not known")
            return None, "", ""

    def _find_network(self, address: str, *stated: Any) -> tuple[Network, str, str]:
        if self._intelligence is not None:
            network = self._intelligence.network(address)
        else:
            network = Network(str(parse(address)))
        network = _with(network, *stated)
        return network, self._pseudonym(network.site), self._pseudonym(network.block)

    def _pseudonym(self, text: str) -> str:
        return blake2b(text.encode(), digest_size=8, key=self._key).hexdigest()


def _with(
    network: Network,
    asn: int | None,
    organisation: str | None,
    country: str | None,
    city: str | None,
    latitude: float | None,
    longitude: float | None,
) -> Network:
    """Return what is known of an address, with what the log says of it: it may know what was true then."""
    location = Location(country, city, latitude, longitude)
    if None in (latitude, longitude):
        location = Location(country, city)
    found = network.location
    if location == Location() or (found is not None and location == replace(found, accuracy_km=None)):
        location = found or Location()
    return replace(
        network,
        asn=asn if asn is not None else network.asn,
        organisation=organisation if organisation is not None else network.organisation,
        location=location if location != Location() else None,
    )
