"""Lists of addresses that the operator keeps in text files: anonymisers, data centres, carriers, botnets.

One address, network or autonomous system (`64500,Example Hosting` or `AS64500`) per line; `#` and `;` start a
comment. What a listing means is for others to say.
"""

import ipaddress
import re
from array import array
from bisect import bisect_right
from collections.abc import Iterator, MutableSequence, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import BinaryIO

from idprotect.intelligence.addresses import Address, Range, canonical, parse, public_parts
from idprotect.intelligence.files import DataFile, Unusable, Version
from idprotect.intelligence.health import State

LARGEST_FILE = 128 * 1024 * 1024
LONGEST_LINE = 1024
REPORTED_PROBLEMS = 50
LARGEST_ASN = 2**32 - 1

_SYSTEM = re.compile(r"(?:AS)?(\d{1,10})\s*(?:,.*)?", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Ranges:
    """Sorted ranges that do not overlap, of one family."""

    firsts: Sequence[int]
    lasts: Sequence[int]

    def __contains__(self, number: int) -> bool:
        place = bisect_right(self.firsts, number) - 1
        return place >= 0 and number <= self.lasts[place]


@dataclass(frozen=True, slots=True, eq=False)
class Entries:
    """What one version of a list holds."""

    v4: _Ranges
    v6: _Ranges
    systems: frozenset[int]

    def hold(self, address: Address, asn: int | None) -> bool | None:
        """Say whether an address or its autonomous system is listed; None where only the system could tell.

        :param address: in canonical form.
        """
        if int(address) in (self.v4 if address.version == 4 else self.v6):
            return True
        if not self.systems:
            return False
        return None if asn is None else asn in self.systems


@dataclass(slots=True)
class _Reading:
    """A file while it is being read."""

    ranges: dict[int, list[Range]] = field(default_factory=lambda: {4: [], 6: []})
    systems: set[int] = field(default_factory=set)
    entries: int = 0
    refused: int = 0
    problems: list[str] = field(default_factory=list)
    unreported: int = 0

    def report(self, problem: str) -> None:
        """Keep the problem; a file of rubbish must not fill the memory with complaints."""
        if len(self.problems) < REPORTED_PROBLEMS:
            self.problems.append(problem)
        else:
            self.unreported += 1


class AddressList(DataFile[Entries]):
    """One file of addresses, read again when it changes."""

    largest = LARGEST_FILE

    def contains(self, ip: str, asn: int | None = None) -> bool | None:
        """Say whether the address is listed; None where nobody can tell: no list, a stale one, no address."""
        entries = self.current()
        try:
            return entries.hold(parse(ip), asn) if entries is not None else None
        except ValueError:
            return None

    def _read(self, file: BinaryIO, dated: datetime) -> Version[Entries]:
        reading = _Reading()
        for number, line in enumerate(_lines(file), start=1):
            _read_line(reading, number, line)
        if reading.refused > reading.entries:
            # Somebody's error page, or the wrong file: the few lines that look like addresses are not a list.
            raise Unusable(State.BROKEN, "most lines are not addresses", reading.problems)
        if not reading.entries:
            raise Unusable(State.EMPTY, "the file lists no public address", reading.problems)
        if reading.unreported:
            reading.problems.append(f"… and {reading.unreported} more")
        entries = Entries(
            _merged(reading.ranges[4], array("I")),
            _merged(reading.ranges[6], []),
            frozenset(reading.systems),
        )
        return Version(entries, reading.entries, dated, tuple(reading.problems))


def _lines(file: BinaryIO) -> Iterator[str]:
    """Yield the lines, each cut to a bearable length."""
    encoding = "utf-8-sig"  # only the first line can carry a byte order mark
    while line := file.readline(LONGEST_LINE):
        yield line.decode(encoding, "replace")
        encoding = "utf-8"
        while line and not line.endswith(b"\n"):
            line = file.readline(LONGEST_LINE)


def _read_line(reading: _Reading, number: int, line: str) -> None:
    text = line.partition("#")[0].partition(";")[0].strip()
    if not text:
        return
    try:
        if system := _SYSTEM.fullmatch(text):
            _add_system(reading, int(system[1]))
        else:
            _add_network(reading, number, text)
    except ValueError:
        reading.refused += 1
        reading.report(f"line {number}: {text[:40]!r} is not an address, network or AS number")


def _add_system(reading: _Reading, asn: int) -> None:
    if not 0 < asn <= LARGEST_ASN:
        raise ValueError(asn)
    reading.systems.add(asn)
    reading.entries += 1


def _add_network(reading: _Reading, number: int, text: str) -> None:
    family, first, last = _network(text)
    public = list(public_parts(family, (first, last)))
    if public != [(first, last)]:
        left = "is partly not public; that part is left out" if public else "is not public; it is left out"
        reading.report(f"line {number}: {text} {left}")
    if public:
        reading.ranges[family].extend(public)
        reading.entries += 1


def _network(text: str) -> tuple[int, int, int]:
    """Return family, first and last number of an address or network."""
    if "/" not in text:
        address = parse(text)
        return address.version, int(address), int(address)
    network = ipaddress.ip_network(text, strict=False)
    first, last = network.network_address, network.broadcast_address
    if network.prefixlen >= 96:  # inside ::ffff:0:0/96, if it touches that at all
        first, last = canonical(first), canonical(last)
    return first.version, int(first), int(last)


def _merged(ranges: list[Range], lasts: MutableSequence[int]) -> _Ranges:
    """Join ranges that overlap or touch, in sequences of the given kind."""
    firsts = lasts[:]
    for first, last in sorted(ranges):
        if lasts and first <= lasts[-1] + 1:
            lasts[-1] = max(lasts[-1], last)
        else:
            firsts.append(first)
            lasts.append(last)
    return _Ranges(firsts, lasts)
