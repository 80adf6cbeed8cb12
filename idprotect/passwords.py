"""How passwords are stored and compared: a keyed hash, then argon2id; a bounded number at a time."""

import hashlib
import hmac
import threading
import unicodedata
from typing import Literal

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError
from nacl.exceptions import CryptoError
from nacl.pwhash import argon2id

from idprotect.errors import TooManyAttempts

MAX_BYTES = 1024
#: Stands before the hash of a temporary password that was used: it opens nothing any more, and is no new password.
USED = "used:"
WAIT_SECONDS = 10.0


class Passwords:
    """Hashes with the parameters of one server.

    :param pepper: key of the keyed hash; without it, stolen hashes cannot even be guessed at.
    :param parallel: how many hashes run at once; further ones wait, and are refused after ten seconds.
    """

    def __init__(
        self, pepper: bytes, *, time_cost: int, memory_kib: int, parallelism: int, parallel: int
    ) -> None:
        self._pepper = pepper
        hasher = _OneLane if parallelism == 1 else PasswordHasher
        self._hasher = hasher(time_cost, memory_kib, parallelism, type=Type.ID)
        self._slots = threading.BoundedSemaphore(parallel)
        self._dummy = self.hash("the hash that unknown users are compared with")

    def hash(self, password: str) -> str:
        """Return the string to store; the parameters stand in it."""
        with _Slot(self._slots):
            return self._hasher.hash(self._keyed(password))

    def verify(self, stored: str | None, password: str) -> bool:
        """Compare; takes as long when nothing usable is stored, so that nobody learns who exists."""
        usable = stored if stored is not None and stored.startswith("$argon2id$") else None
        with _Slot(self._slots):
            try:
                matches = self._hasher.verify(usable or self._dummy, self._keyed(password))
            except (VerificationError, InvalidHashError):
                return False
        return matches and usable is not None

    def needs_rehash(self, stored: str) -> bool:
        """Whether the parameters changed since *stored* was made."""
        return self._hasher.check_needs_rehash(stored)

    def _keyed(self, password: str) -> str:
        # Bounded before it is hashed; the keyed hash makes every password 64 characters long.
        raw = unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")[: MAX_BYTES + 1]
        return hmac.new(self._pepper, raw, hashlib.sha256).hexdigest()


class _OneLane(PasswordHasher):
    """argon2id by libsodium: the same strings for less CPU, and memory that is given back. It knows no threads."""

    def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:
        if salt is not None:
            return super().hash(password, salt=salt)
        memory = self.memory_cost * 1024
        return argon2id.str(_bytes(password), self.time_cost, memory).rstrip(b"\0").decode()

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:
        stored = _bytes(hash)
        if b",p=1$" not in stored:
            return super().verify(hash, password)
        try:
            argon2id.verify(stored, _bytes(password))
        except (CryptoError, ValueError):
            raise VerifyMismatchError from None
        return True


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


class _Slot:
    """One of the places for a hash; raises when none gets free in time, instead of piling up."""

    def __init__(self, slots: threading.BoundedSemaphore) -> None:
        self._slots = slots

    def __enter__(self) -> None:
        if not self._slots.acquire(timeout=WAIT_SECONDS):
            raise TooManyAttempts(60)

    def __exit__(self, *_: object) -> None:
        self._slots.release()
