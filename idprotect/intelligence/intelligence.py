"""Everything the operator's data say of an address, as one answer."""

import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from pathlib import Path

from idprotect.intelligence.address_lists import AddressList, Entries
from idprotect.intelligence.addresses import is_public, parse
from idprotect.intelligence.breached_passwords import BreachedPasswords
from idprotect.intelligence.databases import AsnDatabase, CityDatabase, Database, System
from idprotect.intelligence.files import RECHECK_SECONDS
from idprotect.intelligence.health import Health
from idprotect.intelligence.sources import ListSource, Meaning
from idprotect.risk.network import Network

#: Answers kept while the data do not change; some ten megabytes.
REMEMBERED = 16384


@dataclass(frozen=True, kw_only=True, slots=True)
class MaxAges:
    """From which age on data are stale, so that nothing is concluded from them; None: never."""

    city: timedelta | None = None
    asn: timedelta | None = None
    lists: timedelta | None = None


NEVER_STALE = MaxAges()


@dataclass(frozen=True, slots=True)
class _View:
    """The data in use at one moment; None stands for what is missing or stale."""

    city: Database | None
    asn: Database | None
    lists: Sequence[tuple[ListSource, Entries | None]]

    def network(self, text: str) -> Network:
        address = parse(text)
        public = is_public(address)
        asn, organisation = self.asn.system(address) if self.asn is not None and public else System()
        held = [
            (source, entries.hold(address, asn) if entries is not None else None)
            for source, entries in self.lists
        ]
        return Network(
            str(address),
            asn,
            organisation,
            self.city.location(address) if self.city is not None and public else None,
            _any(held, Meaning.ANONYMOUS),
            _any(held, Meaning.HOSTING),
            _any(held, Meaning.MOBILE),
            {source.name: answer for source, answer in held if source.meaning is Meaning.LISTED},
        )


def _any(held: Iterable[tuple[ListSource, bool | None]], meaning: Meaning) -> bool | None:
    """Say whether a list of this meaning holds the address: yes when one does, no only when all could tell."""
    answers = {answer for source, answer in held if source.meaning is meaning}
    if True in answers:
        return True
    return False if answers == {False} else None


class Intelligence:
    """The data files about addresses, and those about passwords, of one server.

    An answer comes from one view of all files, which is swapped as a whole when one of them changes. The thread
    that finds a new version reads it; all others are answered from the old view meanwhile.

    :param city: a file like GeoLite2-City.mmdb.
    :param asn: a file like GeoLite2-ASN.mmdb.
    :param breached: reported on beside the others; it is asked directly.
    :param recheck_seconds: how often, at most, the files are looked at for changes.
    """

    def __init__(
        self,
        *,
        city: str | Path | None = None,
        asn: str | Path | None = None,
        lists: Iterable[ListSource] = (),
        breached: BreachedPasswords | None = None,
        max_ages: MaxAges = NEVER_STALE,
        recheck_seconds: float = RECHECK_SECONDS,
    ) -> None:
        self.breached = breached
        self.city = (
            CityDatabase(city, "city_database", "city", max_ages.city, recheck_seconds) if city else None
        )
        self.asn = AsnDatabase(asn, "asn_database", "asn", max_ages.asn, recheck_seconds) if asn else None
        self.sources = tuple(lists)
        self.lists = {
            source.name: AddressList(source.path, source.name, source.kind, max_ages.lists, recheck_seconds)
            for source in self.sources
        }
        self._recheck_seconds = recheck_seconds
        self._looking = threading.Lock()
        self._view: _View | None = None
        self._look_for_changes()

    def network(self, address: str) -> Network:
        """Return what is known of an address; nothing but its listings if it is not public.

        :raises ValueError: it is no address.
        """
        if time.monotonic() >= self._next_look and self._looking.acquire(blocking=False):
            try:
                self._look_for_changes()
            finally:
                self._looking.release()
        return self._answer(address)

    def health(self) -> list[Health]:
        """Report on all files."""
        files = (self.city, self.asn, *self.lists.values(), self.breached)
        return [file.health() for file in files if file is not None]

    def not_configured(self) -> list[str]:
        """Return the settings whose data nobody has given."""
        data = {
            "IDPROTECT_CITY_DATABASE": self.city,
            "IDPROTECT_ASN_DATABASE": self.asn,
            "IDPROTECT_ADDRESS_LISTS": self.lists,
            "IDPROTECT_BREACHED_PASSWORDS": self.breached,
        }
        return [setting for setting, given in data.items() if not given]

    def _look_for_changes(self) -> None:
        view = _View(
            self.city.current() if self.city is not None else None,
            self.asn.current() if self.asn is not None else None,
            tuple((source, self.lists[source.name].current()) for source in self.sources),
        )
        if view != self._view:
            self._view, self._answer = view, lru_cache(REMEMBERED)(view.network)
        self._next_look = time.monotonic() + self._recheck_seconds
