"""Where an address is and whose it is, from files in MaxMind's format (GeoLite2-City, GeoLite2-ASN and their like)."""

import shutil
import struct
import tempfile
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any, BinaryIO, ClassVar, NamedTuple

import maxminddb

from idprotect.intelligence.addresses import Address
from idprotect.intelligence.files import DataFile, Unusable, Version
from idprotect.intelligence.health import State
from idprotect.risk.network import Location

LARGEST_FILE = 2 * 1024**3
#: How many of its networks are checked before a database is used: enough for all of a small one, in a second or two.
CHECKED = 20_000
LONGEST_NAME = 128
#: Half of the Earth's circumference: a radius beyond it says nothing.
LARGEST_RADIUS_KM = 20_040
LARGEST_ASN = 2**32 - 1

#: What a damaged file may raise when it is asked, by the C and by the Python reader.
_DAMAGE = (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError, struct.error)


class System(NamedTuple):
    """An autonomous system."""

    asn: int | None = None
    organisation: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Database:
    """One version of a database. What is wrong with its records is kept once for each field."""

    reader: maxminddb.Reader
    takes_v6: bool
    wrong: dict[str, str]

    def record(self, address: Address) -> "Record | None":
        """Return what the database has on an address; None for nothing, or where it is damaged."""
        if address.version == 6 and not self.takes_v6:
            return None
        try:
            found = self.reader.get(address)
        except _DAMAGE as error:
            self.wrong.setdefault("", f"{address}: the database is damaged here ({type(error).__name__})")
            return None
        return Record(found, address, self.wrong) if isinstance(found, dict) else None

    def location(self, address: Address) -> Location | None:
        """Return where an address is, as far as its record can be believed."""
        record = self.record(address)
        return record.location() if record is not None else None

    def system(self, address: Address) -> System:
        """Return the autonomous system that announces an address, as far as its record can be believed."""
        record = self.record(address)
        return record.system() if record is not None else System()


@dataclass(frozen=True, slots=True)
class Record:
    """What a database has on a network. A field that is absent is unknown; an impossible one is reported, too.

    :param met_at: the address or network, for the report.
    :param wrong: what is reported, once for each field.
    """

    fields: Mapping[str, Any]
    met_at: object
    wrong: dict[str, str]

    def location(self) -> Location | None:
        """Return the place; None when nothing is known of it."""
        latitude = self._number(("location", "latitude"), -90, 90)
        longitude = self._number(("location", "longitude"), -180, 180)
        if latitude is None or longitude is None:
            latitude = longitude = None
        accuracy_km = self._number(("location", "accuracy_radius"), 0, LARGEST_RADIUS_KM)
        city = self._text(("city", "names", "en"))
        location = Location(self._country(), city, latitude, longitude, accuracy_km)
        return location if location != NOWHERE else None

    def system(self) -> System:
        """Return the autonomous system."""
        asn = self._number(("autonomous_system_number",), 1, LARGEST_ASN)
        organisation = self._text(("autonomous_system_organization",))
        return System(int(asn) if asn is not None else None, organisation)

    def _country(self) -> str | None:
        code = self._text(("country", "iso_code"))
        if code is None or (len(code) == 2 and code.isascii() and code.isalpha() and code.isupper()):
            return code
        self._report(("country", "iso_code"), code)
        return None

    def _text(self, path: tuple[str, ...]) -> str | None:
        value = self._value(path)
        if value is None or (isinstance(value, str) and value.isprintable() and len(value) <= LONGEST_NAME):
            return value or None
        self._report(path, value)
        return None

    def _number(self, path: tuple[str, ...], least: float, most: float) -> float | None:
        value = self._value(path)
        if value is None:
            return None
        if isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most:
            return value  # what is not a number (NaN) is in no range
        self._report(path, value)
        return None

    def _value(self, path: tuple[str, ...]) -> Any:
        value: Any = self.fields
        for depth, name in enumerate(path):
            if not isinstance(value, dict):
                self._report(path[:depth], value)
                return None
            value = value.get(name)
            if value is None:
                return None
        return value

    def _report(self, path: tuple[str, ...], value: object) -> None:
        name = ".".join(path)
        self.wrong.setdefault(name, f"{self.met_at}: {name} cannot be {value!r:.60}; it counts as unknown")


NOWHERE = Location()


class _DatabaseFile(DataFile[Database]):
    """One file in MaxMind's format, of which one field shows that it is of the right kind."""

    largest = LARGEST_FILE
    #: Fields of which the records of such a database have one.
    shown_by: ClassVar[frozenset[str]]

    def _read(self, file: BinaryIO, dated: datetime) -> Version[Database]:
        wrong: dict[str, str] = {}
        # A copy of our own: a mapped file that somebody else cuts short ends the process (SIGBUS).
        with tempfile.NamedTemporaryFile(prefix="idprotect-", suffix=".mmdb") as copy:
            shutil.copyfileobj(file, copy)
            copy.flush()
            try:
                reader = self._open(copy.name, wrong)
            except _DAMAGE as error:
                raise Unusable(State.BROKEN, f"not a sound MaxMind database: {error}") from error
        metadata = reader.metadata()
        database = Database(reader, metadata.ip_version == 6, wrong)
        return Version(database, metadata.node_count, _built(metadata.build_epoch, dated), wrong.values())

    def _open(self, path: str, wrong: dict[str, str]) -> maxminddb.Reader:
        """Return the fast reader, in C, only if all networks were checked: a damaged record can crash it.

        The reader in Python takes some 80 µs instead of 3, and raises an exception.
        """
        reader = maxminddb.open_database(path, maxminddb.MODE_MMAP)
        if not self._check(islice(reader, CHECKED + 1), wrong):
            return reader
        reader.close()
        return maxminddb.open_database(path)

    def _check(self, networks: Iterable[tuple[object, object]], wrong: dict[str, str]) -> bool:
        """Refuse a damaged file, and one about something else; return whether there were no more networks."""
        count, fields = 0, set[str]()
        for network, record in networks:
            count += 1
            _refuse_odd_names(record)
            if isinstance(record, dict):
                fields |= record.keys()
                self._believe(Record(record, network, wrong))
        if not count:
            raise Unusable(State.EMPTY, "the database has no networks")
        if not fields & self.shown_by:
            wanted = " or ".join(sorted(self.shown_by))
            raise Unusable(State.BROKEN, f"no record has {wanted}: another kind of database")
        return count <= CHECKED

    @abstractmethod
    def _believe(self, record: Record) -> object:
        """Read a record, so that what is wrong with it is reported before anybody asks."""


class CityDatabase(_DatabaseFile):
    """Where addresses are."""

    shown_by = frozenset({"city", "country", "location"})

    def _believe(self, record: Record) -> Location | None:
        return record.location()


class AsnDatabase(_DatabaseFile):
    """Whose addresses they are."""

    shown_by = frozenset({"autonomous_system_number"})

    def _believe(self, record: Record) -> System:
        return record.system()


def _refuse_odd_names(value: object) -> None:
    """Refuse fields whose names are not text, of which the reader in C makes a segmentation fault."""
    if isinstance(value, dict):
        for name, part in value.items():
            if not isinstance(name, str):
                raise ValueError(f"a field is called {name!r:.40}")
            _refuse_odd_names(part)
    elif isinstance(value, list):
        for part in value:
            _refuse_odd_names(part)


def _built(epoch: int, dated: datetime) -> datetime:
    """Return when the data were made; the date of the file when the database tells something impossible."""
    try:
        built = datetime.fromtimestamp(epoch, UTC)
    except (OverflowError, ValueError, OSError):
        return dated
    return built if epoch > 0 else dated
