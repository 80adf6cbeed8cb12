"""Files that are read whole, and read again when they change: lists and databases."""

import logging
import os
import stat
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, ClassVar, Generic, TypeVar

from idprotect import clock
from idprotect.intelligence.health import Health, State

log = logging.getLogger(__name__)

T = TypeVar("T")

RECHECK_SECONDS = 1.0
#: A file may be dated by a clock that runs a little ahead of ours.
CLOCK_SKEW = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Version(Generic[T]):
    """One version of a file. It is replaced, never changed, so looking into it needs no lock.

    :param dated: what the age counts from; the file's own date unless its contents tell a better one.
    :param problems: may still grow while the version is in use.
    """

    contents: T
    entries: int
    dated: datetime
    problems: Collection[str] = ()


class Unusable(Exception):
    """The newest version cannot be used."""

    def __init__(self, state: State, problem: str, details: Sequence[str] = ()) -> None:
        super().__init__(problem)
        self.state = state
        self.problems = (problem, *details)


class DataFile(ABC, Generic[T]):
    """One file, read again when it changes.

    A new version that is broken, empty or gone is reported, and the old one goes on answering.

    :param max_age: from this age on the data answer nothing; by default they never grow stale.
    :param recheck_seconds: how often, at most, the file is looked at for changes.
    """

    #: A larger file is not read.
    largest: ClassVar[int]

    def __init__(
        self,
        path: str | Path,
        name: str,
        kind: str = "",
        max_age: timedelta | None = None,
        recheck_seconds: float = RECHECK_SECONDS,
    ) -> None:
        self.path = Path(path)
        self.name = name
        self.kind = kind
        self._max_age = max_age
        self._recheck_seconds = recheck_seconds
        self._next_check = 0.0
        self._reading = threading.Lock()
        self._seen: tuple[int, int, int] | None = None
        self._loaded_at: datetime | None = None
        self._stale = False
        self._in_use: tuple[Version[T] | None, Unusable | None] = (None, None)  # swapped as one
        self._refresh()

    @abstractmethod
    def _read(self, file: BinaryIO, dated: datetime) -> Version[T]:
        """Read a whole file.

        :param dated: the date of the file.
        :raises Unusable: it cannot replace the old version.
        """

    def current(self) -> T | None:
        """Return what is in use; None where nobody can tell: no file, or a stale one."""
        self._refresh()
        version, _ = self._in_use
        if version is None:
            return None
        was_stale, self._stale = self._stale, self._is_stale(version)
        if self._stale and not was_stale:
            log.warning("%s: nothing is concluded any more from data of %s", self.name, version.dated)
        return None if self._stale else version.contents

    def health(self) -> Health:
        """Report on the data in use and on the newest version of the file."""
        self._refresh()
        version, fault = self._in_use
        if version is None:
            assert fault is not None  # a file without fault has contents
            return Health(self.name, self.path, fault.state, problems=fault.problems, kind=self.kind)
        age = clock.now() - version.dated
        state, problems = State.OK, tuple(version.problems)
        if age < -CLOCK_SKEW:
            problems = (f"the data are dated {version.dated:%Y-%m-%d}, in the future", *problems)
        if fault is not None:
            kept = f"the version of {version.dated:%Y-%m-%d %H:%M} UTC stays in use"
            state, problems = fault.state, (*fault.problems, kept)
        elif self._is_stale(version):
            state = State.STALE
        return Health(
            self.name,
            self.path,
            state,
            version.entries,
            self._loaded_at,
            version.dated,
            age.total_seconds(),
            problems,
            self.kind,
        )

    def _is_stale(self, version: Version[T]) -> bool:
        return self._max_age is not None and clock.now() - version.dated > self._max_age

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
            seen = _seen(self.path.stat())
            if seen == self._seen:
                return
            version = self._read_file()
        except Unusable as fault:
            self._seen = seen
            self._fail(fault)
        except OSError as error:
            # Not remembered as seen: a mended permission changes neither date nor size.
            self._seen = None
            absent = isinstance(error, FileNotFoundError | NotADirectoryError)
            state = State.MISSING if absent else State.BROKEN
            self._fail(Unusable(state, f"the file cannot be read: {error.strerror or type(error).__name__}"))
        else:
            self._seen, self._loaded_at, self._in_use = seen, clock.now(), (version, None)

    def _read_file(self) -> Version[T]:
        with self.path.open("rb") as file:
            status = os.fstat(file.fileno())
            if status.st_size > self.largest:
                raise Unusable(State.BROKEN, f"the file is larger than {self.largest} bytes")
            version = self._read(file, datetime.fromtimestamp(status.st_mtime, UTC))
        old, _ = self._in_use
        if old is None or version.entries * 2 >= old.entries:
            return version
        shrank = f"the data shrank from {old.entries} to {version.entries} entries"
        log.warning("%s: %s", self.name, shrank)
        return Version(version.contents, version.entries, version.dated, (shrank, *version.problems))

    def _fail(self, fault: Unusable) -> None:
        version, known = self._in_use
        if known is None or known.problems != fault.problems:
            log.warning("%s: %s", self.name, fault)
        self._in_use = (version, fault)


def _seen(status: os.stat_result) -> tuple[int, int, int]:
    if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
        raise IsADirectoryError(None, "not a regular file")
    return status.st_mtime_ns, status.st_size, status.st_ino
