"""The stage on which a scenario plays: its time, its world, its addresses, and what is told about it.

Each scenario has a stage of its own, so what comes of it depends on its seed, and on nothing that was played before.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network
from random import Random
from typing import TypeVar
from urllib.parse import urlsplit

from flask import Flask

from idprotect import clock, simulated
from idprotect.intelligence import Intelligence, sample
from idprotect.intelligence.sample import City, System
from idprotect.intelligence.sources import in_folder
from idprotect.runtime import settings
from idprotect.simulation.browsers import Browser, Machine, in_fresh_context

T = TypeVar("T")

#: So much time passes with each request: more than any takes, so that what comes later is later.
PACE = timedelta(seconds=5)
#: A scenario plays within so long, so that none of it lies in the future.
LENGTH = timedelta(hours=12)


@dataclass
class Stage:
    """Where one scenario plays.

    :ivar random: all that chance decides here.
    :ivar opens_at: when the scenario begins; before is the past of its people.
    :ivar now: the simulated time.
    :ivar told: what was done, in sentences.
    :ivar entered_at: when somebody last wanted into the application.
    """

    app: Flask
    random: Random
    opens_at: datetime
    now: datetime
    world: simulated.World
    told: list[str] = field(default_factory=list)
    entered_at: datetime | None = None
    _taken: set[str] = field(default_factory=set)

    @classmethod
    def build(cls, app: Flask, seed: str) -> "Stage":
        """Return an empty stage. It opens on the hour, so that no answer depends on the minute."""
        opens_at = clock.now().replace(minute=0, second=0, microsecond=0) - LENGTH
        return cls(app, Random(seed), opens_at, opens_at, _world())  # noqa: S311 (nothing secret comes of it)

    def tell(self, sentence: str) -> None:
        """Note what was done."""
        self.told.append(sentence)

    def wait(self, **time: float) -> None:
        """Let time pass."""
        self.now += timedelta(**time)

    def act(self, function: Callable[[], T]) -> T:
        """Do something in the simulated world at the simulated time, where nobody else is."""

        def inside() -> T:
            with simulated.within(self.world), clock.set_to(self.now):
                return function()

        try:
            return in_fresh_context(inside)
        finally:
            self.now += PACE

    def browser(self, machine: Machine, address: str) -> Browser:
        """Open a browser that was never here."""
        parts = urlsplit(settings().issuer)
        return Browser(self.app, f"{parts.scheme}://{parts.netloc}", machine, address, self.act)

    def address(self, system: System, city: City) -> str:
        """Return an address of a provider in a city that nobody has yet, and that is on no list."""
        block = next(block for block in sample.BLOCKS if (block.system, block.city) == (system, city))
        network = ip_network(block.network)
        while True:
            found = str(network[self.random.randrange(1, min(network.num_addresses, 2**16) - 1)])
            if found not in self._taken and not _is_listed(found):
                self._taken.add(found)
                return found

    def path(self, endpoint: str) -> str:
        """Return the path of an endpoint of the server."""
        return str(self.app.url_map.bind("").build(f"idprotect.{endpoint}"))


def _world() -> simulated.World:
    """Return a world in which documentation addresses are somewhere, on whatever server it is played."""
    city, asn = sample.FOLDER / "city.mmdb", sample.FOLDER / "asn.mmdb"
    return simulated.World(Intelligence(city=city, asn=asn, lists=in_folder(sample.FOLDER)))


def _is_listed(address: str) -> bool:
    listed = (*sample.TOR_EXITS, *sample.ANONYMOUS_PROXIES, *sample.ABUSE_IPS)
    return any(ip_address(address) in ip_network(network) for network in listed)
