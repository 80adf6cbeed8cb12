"""Whether a password is known from a breach, answered from local files in either of the two usual forms.

*A folder of ranges*, as the k-anonymity service hands them out: one file per first five hexadecimal digits
of the SHA-1, named `5BAA6` or `5BAA6.txt`, with lines `SUFFIX:COUNT`. *One sorted file* with lines
`SHA1:COUNT` or `SHA1`, which may have gigabytes and is never read whole. SHA-1 is the key of that data, not a
protection.
"""

import hashlib
import os
import re
import stat
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import BinaryIO

from idprotect import clock
from idprotect.intelligence.health import Health, State

KIND = "breached passwords"
ALL_RANGES = 16**5
LARGEST_RANGE = 4 * 1024 * 1024
LONGEST_LINE = 80
BLOCK = 4096
SAMPLES = 64

_LINE = re.compile(rb"([0-9A-F]{40})(?::(\d{1,12}))?")
_SUFFIX_LINE = re.compile(rb"([0-9A-F]{35})(?::(\d{1,12}))?")
_RANGE_NAME = re.compile(r"[0-9A-Fa-f]{5}(\.txt)?")


NOT_HASHES = "the lines are not SHA-1 hashes with counts"
NOT_SORTED = "the lines are not sorted by hash"


class _Broken(Exception):
    """The data are not what they should be."""


class _Empty(_Broken):
    """There are no data."""


class BreachedPasswords:
    """Breached passwords at a path, looked up anew each time: the file may be replaced at any moment.

    What `health()` counts as entries are the passwords of a sorted file, but the files of a folder.

    :param max_age: from this age on `health()` says stale. Counts are given all the same, because a password
        that was stolen stays stolen.
    """

    def __init__(
        self, path: str | Path, name: str = "breached_passwords", *, max_age: timedelta | None = None
    ) -> None:
        self.path = Path(path)
        self.name = name
        self._max_age = max_age
        self._counted: tuple[tuple[int, int, int], int] | None = None

    def count(self, password: str) -> int | None:
        """Return how often the password was seen in breaches; None where nobody can tell."""
        try:
            digest = _digest(password)
            if _is_folder(self.path):
                return _count_in_folder(self.path, digest)
            with self.path.open("rb") as file:
                self._count_entries(file)  # a file that is not sorted would deny what it holds
                return _count_in_sorted_file(file, digest)
        except (OSError, _Broken, UnicodeEncodeError):
            return None

    def health(self) -> Health:
        """Report on the data by samples; a sorted file of gigabytes is not read for it."""
        try:
            modified_at = datetime.fromtimestamp(self.path.stat().st_mtime, UTC)
            folder = _is_folder(self.path)
            if folder:
                entries = self._count_ranges()
            else:
                with self.path.open("rb") as file:
                    entries = self._count_entries(file)
        except (FileNotFoundError, NotADirectoryError):
            return self._unusable(State.MISSING, "there is no such file or folder")
        except OSError as error:
            return self._unusable(State.BROKEN, f"the data cannot be read: {error.strerror}")
        except _Broken as error:
            return self._unusable(State.EMPTY if isinstance(error, _Empty) else State.BROKEN, str(error))
        age = clock.now() - modified_at
        state = State.STALE if self._max_age is not None and age > self._max_age else State.OK
        problems: tuple[str, ...] = ()
        if folder and entries < ALL_RANGES:
            problems = (f"only {entries} of {ALL_RANGES} ranges are here; the rest is not evaluated",)
        return Health(
            self.name, self.path, state, entries, None, modified_at, age.total_seconds(), problems, KIND
        )

    def _unusable(self, state: State, problem: str) -> Health:
        return Health(self.name, self.path, state, problems=(problem,), kind=KIND)

    def _count_ranges(self) -> int:
        """Count the range files; a whole set is a million, so they are counted again only after a change."""
        version = _version(self.path.stat())
        if self._counted is None or self._counted[0] != version:
            with os.scandir(self.path) as files:
                count = sum(_RANGE_NAME.fullmatch(file.name) is not None for file in files)
            if not count:
                raise _Empty("the folder has no range files")
            self._counted = (version, count)
        return self._counted[1]

    def _count_entries(self, file: BinaryIO) -> int:
        """Estimate the entries of a sorted file that is found to be sound; once for each version of it."""
        version = _version(os.fstat(file.fileno()))
        if self._counted is None or self._counted[0] != version:
            self._counted = (version, _inspect_sorted_file(file))
        return self._counted[1]


def build(words: Iterable[str], path: str | Path) -> int:
    """Write the words as one sorted file, put in place whole; return how many different ones there are."""
    counts = Counter(_digest(word) for word in words if word)
    path = Path(path)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(b"%s:%d\n" % entry for entry in sorted(counts.items()))
            file.flush()
            os.fchmod(descriptor, 0o644)  # no secret, and the server may run as another user
            os.fsync(descriptor)
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    return len(counts)


@cache
def common_passwords() -> tuple[str, ...]:
    """Return the passwords that everybody tries first, which are shipped with idprotect."""
    path = Path(__file__).with_name("common_passwords.txt")
    return tuple(path.read_text(encoding="utf-8").splitlines())


def _digest(password: str) -> bytes:
    text = unicodedata.normalize("NFC", password).encode()
    return hashlib.sha1(text, usedforsecurity=False).hexdigest().upper().encode()


def _version(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_mtime_ns, status.st_size, status.st_ino


def _is_folder(path: Path) -> bool:
    mode = path.stat().st_mode
    if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):  # opening a pipe would wait for ever
        raise _Broken("neither a file nor a folder")
    return stat.S_ISDIR(mode)


def _count_in_folder(folder: Path, digest: bytes) -> int:
    """Look into the one range file that could hold the password.

    :raises FileNotFoundError: the range is not here. In a whole set each range has entries, so its absence
        tells nothing about the password.
    """
    lines = _range_file(folder, digest[:5].decode()).upper().split()
    if not lines:
        raise _Broken("empty range")
    found = 0
    for line in lines:
        entry = _SUFFIX_LINE.fullmatch(line)
        if entry is None:
            raise _Broken("not a range file")
        if entry[1] == digest[5:]:
            found = _times(entry)
    return found


def _range_file(folder: Path, prefix: str) -> bytes:
    for name in (f"{prefix}.txt", prefix, f"{prefix.lower()}.txt", prefix.lower()):
        with suppress(FileNotFoundError), (folder / name).open("rb") as file:
            content = file.read(LARGEST_RANGE + 1)
            if len(content) > LARGEST_RANGE:
                raise _Broken("the range is too large")
            return content
    raise FileNotFoundError(prefix)


def _count_in_sorted_file(file: BinaryIO, digest: bytes) -> int:
    """Search by halves of the file's bytes, then line by line through the last block."""
    low, high = 0, _end(file)  # the line, if there is one, starts in [low, high)
    while high - low > BLOCK:  # many lines, so there is one between the middle and the end
        start = _line_after(file, (low + high) // 2)
        if _entry(file.readline(LONGEST_LINE))[1] <= digest:
            low = start
        else:
            high = start
    file.seek(low)
    return next((_times(entry) for entry in _entries(file, high) if entry[1] == digest), 0)


def _end(file: BinaryIO) -> int:
    """Return the size without the empty lines that an editor may have left at the end."""
    size = file.seek(0, os.SEEK_END)
    tail_size = min(size, LONGEST_LINE)
    file.seek(size - tail_size)
    end = size - tail_size + len(file.read(tail_size).rstrip())
    if not end:
        raise _Empty("the file is empty")
    return end


def _line_after(file: BinaryIO, offset: int) -> int:
    """Go to the first line that starts after the offset."""
    file.seek(offset)
    rest = file.readline(LONGEST_LINE)
    if len(rest) == LONGEST_LINE:
        raise _Broken(NOT_HASHES)
    return offset + len(rest)


def _entries(file: BinaryIO, end: int) -> Iterator[re.Match[bytes]]:
    """Yield the entries from here up to the lines that start at `end`."""
    previous = b""
    while file.tell() < end:
        entry = _entry(file.readline(LONGEST_LINE))
        if entry[1] < previous:
            raise _Broken(NOT_SORTED)
        previous = entry[1]
        yield entry


def _entry(line: bytes) -> re.Match[bytes]:
    entry = _LINE.fullmatch(line.strip().upper())
    if entry is None:
        raise _Broken(NOT_HASHES)
    return entry


def _times(entry: re.Match[bytes]) -> int:
    """Return the count; an entry without one was seen at least once."""
    return 1 if entry[2] is None else int(entry[2])


def _inspect_sorted_file(file: BinaryIO) -> int:
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
        raise _Broken(NOT_SORTED)
    return end * SAMPLES // sum(len(entry[0]) + 1 for entry in samples)
