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
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

from idprotect import clock
from idprotect.intelligence.health import Health, State
from idprotect.intelligence.sorted_hashes import Broken, Empty, SortedHashes, dated, times, version_of

KIND = "breached passwords"
ALL_RANGES = 16**5
LARGEST_RANGE = 4 * 1024 * 1024

_SUFFIX_LINE = re.compile(rb"([0-9A-F]{35})(?::(\d{1,12}))?")
_RANGE_NAME = re.compile(r"[0-9A-Fa-f]{5}(\.txt)?")


class BreachedPasswords:
    """Breached passwords at a path, looked up anew each time: the file may be replaced at any moment.

    When a sorted file is replaced by a broken one, or is gone, the last sound version goes on answering. What
    `health()` counts as entries are the passwords of a sorted file, but the files of a folder.

    :param max_age: from this age on `health()` says stale. Counts are given all the same, because a password
        that was stolen stays stolen.
    """

    def __init__(
        self, path: str | Path, name: str = "breached_passwords", *, max_age: timedelta | None = None
    ) -> None:
        self.path = Path(path)
        self.name = name
        self._max_age = max_age
        self._ranges: tuple[tuple[int, int, int], int] | None = None
        self._sound: SortedHashes | None = None

    def count(self, password: str) -> int | None:
        """Return how often the password was seen in breaches; None where nobody can tell."""
        try:
            digest = _digest(password)
            if self.path.is_dir():
                return _count_in_folder(self.path, digest)
            return self._sorted_file().count(digest)
        except (OSError, Broken, UnicodeEncodeError):
            return None

    def health(self) -> Health:
        """Report on the data by samples; a sorted file of gigabytes is not read for it."""
        try:
            if _is_folder(self.path):
                return self._folder_health()
            file = self._newest()
            return self._report(State.OK, file.entries, file.modified_at)
        except (FileNotFoundError, NotADirectoryError):
            return self._unusable(State.MISSING, "there is no such file or folder")
        except OSError as error:
            return self._unusable(State.BROKEN, f"the data cannot be read: {error.strerror}")
        except Broken as error:
            return self._unusable(State.EMPTY if isinstance(error, Empty) else State.BROKEN, str(error))

    def _folder_health(self) -> Health:
        entries, modified_at = self._count_ranges(), dated(self.path.stat())
        problems: tuple[str, ...] = ()
        if entries < ALL_RANGES:
            problems = (f"only {entries} of {ALL_RANGES} ranges are here; the rest is not evaluated",)
        return self._report(State.OK, entries, modified_at, problems)

    def _unusable(self, state: State, problem: str) -> Health:
        if (kept := self._kept()) is None:
            return Health(self.name, self.path, state, problems=(problem,), kind=KIND)
        in_use = f"the version of {kept.modified_at:%Y-%m-%d %H:%M} UTC stays in use"
        return self._report(state, kept.entries, kept.modified_at, (problem, in_use))

    def _report(
        self, state: State, entries: int, modified_at: datetime, problems: tuple[str, ...] = ()
    ) -> Health:
        age = clock.now() - modified_at
        if state is State.OK and self._max_age is not None and age > self._max_age:
            state = State.STALE
        return Health(
            self.name, self.path, state, entries, None, modified_at, age.total_seconds(), problems, KIND
        )

    def _count_ranges(self) -> int:
        """Count the range files; a whole set is a million, so they are counted again only after a change."""
        version = version_of(self.path.stat())
        if self._ranges is None or self._ranges[0] != version:
            with os.scandir(self.path) as files:
                count = sum(_RANGE_NAME.fullmatch(file.name) is not None for file in files)
            if not count:
                raise Empty("the folder has no range files")
            self._ranges = (version, count)
        return self._ranges[1]

    def _sorted_file(self) -> SortedHashes:
        """Return the newest version of the file, or the last one that was sound."""
        try:
            return self._newest()
        except (OSError, Broken):
            if (kept := self._kept()) is None:
                raise
            return kept

    def _newest(self) -> SortedHashes:
        """Return the newest version; each sound one is inspected once."""
        if _is_folder(self.path):
            raise Broken("a folder stands where the file was")
        if self._sound is None or self._sound.version != version_of(self.path.stat()):
            self._sound = SortedHashes(self.path)
        return self._sound

    def _kept(self) -> SortedHashes | None:
        """Return the last sound version; None when it was written over in place, and so is no more."""
        return self._sound if self._sound is not None and self._sound.is_unchanged else None


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


def _is_folder(path: Path) -> bool:
    mode = path.stat().st_mode
    if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):  # opening a pipe would wait for ever
        raise Broken("neither a file nor a folder")
    return stat.S_ISDIR(mode)


def _count_in_folder(folder: Path, digest: bytes) -> int:
    """Look into the one range file that could hold the password.

    :raises FileNotFoundError: the range is not here. In a whole set each range has entries, so its absence
        tells nothing about the password.
    """
    lines = _range_file(folder, digest[:5].decode()).upper().split()
    if not lines:
        raise Broken("empty range")
    found = 0
    for line in lines:
        entry = _SUFFIX_LINE.fullmatch(line)
        if entry is None:
            raise Broken("not a range file")
        if entry[1] == digest[5:]:
            found = times(entry)
    return found


def _range_file(folder: Path, prefix: str) -> bytes:
    for name in (f"{prefix}.txt", prefix, f"{prefix.lower()}.txt", prefix.lower()):
        with suppress(FileNotFoundError), (folder / name).open("rb") as file:
            content = file.read(LARGEST_RANGE + 1)
            if len(content) > LARGEST_RANGE:
                raise Broken("the range is too large")
            return content
    raise FileNotFoundError(prefix)
