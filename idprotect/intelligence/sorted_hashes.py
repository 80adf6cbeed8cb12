"""One sorted file of breached passwords: lines `SHA1:COUNT` or `SHA1`, gigabytes of them, never read whole."""

import io
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

LONGEST_LINE = 80
BLOCK = 4096
SAMPLES = 64

NOT_HASHES = "the lines are not SHA-1 hashes with counts"
NOT_SORTED = "the lines are not sorted by hash"

_LINE = re.compile(rb"([0-9A-F]{40})(?::(\d{1,12}))?")


class Broken(Exception):
    """The data are not what they should be."""


class Empty(Broken):
    """There are no data."""


class SortedHashes:
    """One sound version of a file, held open, so that it can still be read when it was replaced.

    :raises Broken: the lines are not hashes, or out of order: the file would deny what it holds.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        status = os.fstat(self._descriptor)
        self.version, self.modified_at = version_of(status), dated(status)
        with self._open() as file:
            self.entries = _inspect(file)

    def count(self, digest: bytes) -> int:
        """Return how often the password with this hash was seen."""
        with self._open() as file:
            return _search(file, digest)

    @property
    def is_unchanged(self) -> bool:
        """Whether nobody wrote into the file since."""
        return version_of(os.fstat(self._descriptor)) == self.version

    def _open(self) -> BinaryIO:
        """Return the file to read, at a place that no other thread or forked process moves."""
        return io.BufferedReader(_Reading(self), BLOCK)

    def read_at(self, place: int, size: int) -> bytes:
        """Return some of the bytes."""
        return os.pread(self._descriptor, size, place)

    @property
    def size(self) -> int:
        """How many bytes it has now."""
        return os.fstat(self._descriptor).st_size

    def __del__(self) -> None:
        with suppress(AttributeError, OSError):  # it may never have been opened
            os.close(self._descriptor)


class _Reading(io.RawIOBase):
    """One reader of a file that is open already."""

    def __init__(self, file: SortedHashes) -> None:
        self._file, self._place = file, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        read = self._file.read_at(self._place, len(buffer))
        buffer[: len(read)] = read
        self._place += len(read)
        return len(read)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._file.size}[whence]
        self._place = start + offset
        return self._place


def version_of(status: os.stat_result) -> tuple[int, int, int]:
    """Return what changes when a file is written or replaced."""
    return status.st_mtime_ns, status.st_size, status.st_ino


def dated(status: os.stat_result) -> datetime:
    """Return the date of a file."""
    return datetime.fromtimestamp(status.st_mtime, UTC)


def _search(file: BinaryIO, digest: bytes) -> int:
    """Search by halves of the file's bytes, then line by line through the last block."""
    low, high = 0, _end(file)  # the line, if there is one, starts in [low, high)
    while high - low > BLOCK:  # many lines, so there is one between the middle and the end
        start = _line_after(file, (low + high) // 2)
        if _entry(file.readline(LONGEST_LINE))[1] <= digest:
            low = start
        else:
            high = start
    file.seek(low)
    return next((times(entry) for entry in _entries(file, high) if entry[1] == digest), 0)


def _end(file: BinaryIO) -> int:
    """Return the size without the empty lines that an editor may have left at the end."""
    size = file.seek(0, os.SEEK_END)
    tail_size = min(size, LONGEST_LINE)
    file.seek(size - tail_size)
    end = size - tail_size + len(file.read(tail_size).rstrip())
    if not end:
        raise Empty("the file is empty")
    return end


def _line_after(file: BinaryIO, offset: int) -> int:
    """Go to the first line that starts after the offset."""
    file.seek(offset)
    rest = file.readline(LONGEST_LINE)
    if len(rest) == LONGEST_LINE:
        raise Broken(NOT_HASHES)
    return offset + len(rest)


def _entries(file: BinaryIO, end: int) -> Iterator[re.Match[bytes]]:
    """Yield the entries from here up to the lines that start at `end`."""
    previous = b""
    while file.tell() < end:
        entry = _entry(file.readline(LONGEST_LINE))
        if entry[1] < previous:
            raise Broken(NOT_SORTED)
        previous = entry[1]
        yield entry


def _entry(line: bytes) -> re.Match[bytes]:
    entry = _LINE.fullmatch(line.strip().upper())
    if entry is None:
        raise Broken(NOT_HASHES)
    return entry


def _inspect(file: BinaryIO) -> int:
    """Count the entries, or estimate their number from samples, and see that they are in order."""
    end = _end(file)
    if end <= SAMPLES * BLOCK:
        file.seek(0)
        return sum(1 for _ in _entries(file, end))
    samples = []
    for place in range(SAMPLES):
        _line_after(file, end * place // SAMPLES)
        samples.append(_entry(file.readline(LONGEST_LINE)))
    hashes = [entry[1] for entry in samples]
    if hashes != sorted(hashes):
        raise Broken(NOT_SORTED)
    return end * SAMPLES // sum(len(entry[0]) + 1 for entry in samples)


def times(entry: re.Match[bytes]) -> int:
    """Return the count; an entry without one was seen at least once."""
    return 1 if entry[2] is None else int(entry[2])
