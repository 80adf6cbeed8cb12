"""Lists of addresses that the operator keeps in text files: anonymisers, botnets, data centres.

One address or network per line; `#` and `;` start a comment. What a listing means is for the detections to
say.
"""

import ipaddress
import logging
import os
import stat
import threading
import time
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, MutableSequence, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from idprotect import clock
from idprotect.intelligence import Health, State

log = logging.getLogger(__name__)

#: A list must never match the reverse proxy or a neighbour in the data centre, so these are taken out of
#: every entry. Documentation ranges and 240.0.0.0/4 stay: the demonstration and simulated logs live there.
NOT_PUBLIC = (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
    "192.0.0.0/24", "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/4",
    "::/96", "::ffff:0:0/96", "64:ff9b:1::/48", "100::/64", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
)  # fmt: skip

LARGEST_FILE = 128 * 1024 * 1024
LONGEST_LINE = 1024
REPORTED_PROBLEMS = 50

Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Ranges:
    """Sorted ranges that do not overlap, of one family."""

    firsts: Sequence[int]
    lasts: Sequence[int]

    def __contains__(self, number: int) -> bool:
        place = bisect_right(self.firsts, number) - 1
        return place >= 0 and number <= self.lasts[place]


@dataclass(frozen=True, slots=True)
class _Contents:
    """One version of a file. It is replaced, never changed, so looking into it needs no lock."""

    v4: _Ranges
    v6: _Ranges
    entries: int
    problems: tuple[str, ...]
    modified_at: datetime
    loaded_at: datetime


@dataclass(slots=True)
class _Reading:
    """A file while it is being read."""

    ranges: dict[int, list[Range]] = field(default_factory=lambda: {4: [], 6: []})
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


class _Unusable(Exception):
    """The newest version cannot be used."""

    def __init__(self, state: State, problem: str, details: Sequence[str] = ()) -> None:
        super().__init__(problem)
        self.state = state
        self.problems = (problem, *details)


class AddressList:
    """One file of addresses, read again when it changes.

    A new version that is broken, empty or gone is reported, and the old one goes on answering.

    :param max_age: from this age on the list answers None; by default it never grows stale.
    :param recheck_seconds: how often, at most, the file is looked at for changes.
    """

    def __init__(
        self, path: str | Path, name: str, *, max_age: timedelta | None = None, recheck_seconds: float = 1.0
    ) -> None:
        self.path = Path(path)
        self.name = name
        self._max_age = max_age
        self._recheck_seconds = recheck_seconds
        self._next_check = 0.0
        self._reading = threading.Lock()
        self._version: tuple[int, int, int] | None = None
        self._in_use: tuple[_Contents | None, _Unusable | None] = (None, None)  # swapped as one
        self._refresh()

    def contains(self, ip: str) -> bool | None:
        """Say whether the address is listed; None where nobody can tell: no list, a stale one, no address."""
        self._refresh()
        contents, _ = self._in_use
        if contents is None or self._is_stale(contents):
            return None
        try:
            address = _canonical(ipaddress.ip_address(ip))
        except ValueError:
            return None
        return int(address) in (contents.v4 if address.version == 4 else contents.v6)

    def health(self) -> Health:
        """Report on the data in use and on the newest version of the file."""
        self._refresh()
        contents, fault = self._in_use
        if contents is None:
            assert fault is not None  # a file without fault has contents
            return Health(self.name, self.path, fault.state, problems=fault.problems)
        state, problems = State.OK, contents.problems
        if fault is not None:
            kept = f"the version of {contents.modified_at:%Y-%m-%d %H:%M} UTC stays in use"
            state, problems = fault.state, (*fault.problems, kept)
        elif self._is_stale(contents):
            state = State.STALE
        return Health(
            self.name,
            self.path,
            state,
            contents.entries,
            contents.loaded_at,
            contents.modified_at,
            (clock.now() - contents.modified_at).total_seconds(),
            problems,
        )

    def _is_stale(self, contents: _Contents) -> bool:
        return self._max_age is not None and clock.now() - contents.modified_at > self._max_age

    def _refresh(self) -> None:
        """Look for a new version. While one thread reads it, the others are answered from the old one."""
        if time.monotonic() < self._next_check or not self._reading.acquire(blocking=False):
            return
        try:
            self._read_if_changed()
        finally:
            self._next_check = time.monotonic() + self._recheck_seconds
            self._reading.release()

    def _read_if_changed(self) -> None:
        try:
            version = _version(self.path)
            if version == self._version:
                return
            contents = _read(self.path, self._in_use[0])
        except _Unusable as fault:
            self._version = version
            self._fail(fault)
        except OSError as error:
            # Not remembered as seen: a mended permission changes neither date nor size.
            self._version = None
            absent = isinstance(error, FileNotFoundError | NotADirectoryError)
            state = State.MISSING if absent else State.BROKEN
            self._fail(_Unusable(state, f"the file cannot be read: {error.strerror or type(error).__name__}"))
        else:
            self._version, self._in_use = version, (contents, None)

    def _fail(self, fault: _Unusable) -> None:
        contents, known = self._in_use
        if known is None or known.problems != fault.problems:
            log.warning("Address list %s: %s", self.name, fault)
        self._in_use = (contents, fault)


def _version(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
        raise IsADirectoryError(None, "not a regular file")
    return status.st_mtime_ns, status.st_size, status.st_ino


def _read(path: Path, old: _Contents | None) -> _Contents:
    """Read a whole file, or say why it cannot replace the old version."""
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        if status.st_size > LARGEST_FILE:
            raise _Unusable(State.BROKEN, f"the file is larger than {LARGEST_FILE} bytes")
        reading = _Reading()
        for number, line in enumerate(_lines(file), start=1):
            _read_line(reading, number, line)
    if reading.refused > reading.entries:
        # Somebody's error page, or the wrong file: the few lines that look like addresses are not a list.
        raise _Unusable(State.BROKEN, "most lines are not addresses", reading.problems)
    if not reading.entries:
        raise _Unusable(State.EMPTY, "the file lists no public address", reading.problems)
    if old is not None and reading.entries * 2 < old.entries:
        reading.problems.insert(0, f"the list shrank from {old.entries} to {reading.entries} entries")
    if reading.unreported:
        reading.problems.append(f"… and {reading.unreported} more")
    return _Contents(
        _merged(reading.ranges[4], array("I")),
        _merged(reading.ranges[6], []),
        reading.entries,
        tuple(reading.problems),
        datetime.fromtimestamp(status.st_mtime, UTC),
        clock.now(),
    )


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
        family, first, last = _network(text)
    except ValueError:
        reading.refused += 1
        reading.report(f"line {number}: {text[:40]!r} is not an address or network")
        return
    public = list(_without((first, last), _NOT_PUBLIC[family]))
    if public != [(first, last)]:
        left = "is partly not public; that part is left out" if public else "is not public; it is left out"
        reading.report(f"line {number}: {text} {left}")
    if public:
        reading.ranges[family].extend(public)
        reading.entries += 1


def _network(text: str) -> tuple[int, int, int]:
    """Return family, first and last number of an address or network."""
    if "/" not in text:
        address = _canonical(ipaddress.ip_address(text))
        return address.version, int(address), int(address)
    network = ipaddress.ip_network(text, strict=False)
    first, last = network.network_address, network.broadcast_address
    if network.prefixlen >= 96:  # inside ::ffff:0:0/96, if it touches that at all
        first, last = _canonical(first), _canonical(last)
    return first.version, int(first), int(last)


def _canonical(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return the IPv4 address that a dual-stack socket shows as ::ffff:a.b.c.d, so that both forms match."""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _without(wanted: Range, unwanted: Iterable[Range]) -> Iterator[Range]:
    """Cut the sorted unwanted ranges out of the wanted one."""
    first, last = wanted
    for start, end in unwanted:
        if end < first or start > last:
            continue
        if first < start:
            yield first, start - 1
        first = end + 1
    if first <= last:
        yield first, last


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


def _ranges_of(networks: Iterable[str], family: int) -> tuple[Range, ...]:
    parsed = (ipaddress.ip_network(network) for network in networks)
    return tuple(
        sorted((int(n.network_address), int(n.broadcast_address)) for n in parsed if n.version == family)
    )


_NOT_PUBLIC = {4: _ranges_of(NOT_PUBLIC, 4), 6: _ranges_of(NOT_PUBLIC, 6)}
