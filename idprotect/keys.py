"""The secrets of one server: files outside the database, readable by their owner alone.

Owns their creation (safe when several processes start at once), the signing keys with rotation, encryption of
fields, and keyed hashes. A key file that others can read is refused.
"""

import hashlib
import hmac
import json
import os
import secrets
import threading
import time
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from joserfc.jwk import ECKey, JWKRegistry, KeyParameters, OKPKey, RSAKey

from idprotect.errors import ConfigurationError

#: Of at least 128 bits (ASVS 11.2.3). RS256 is what every client knows; ES256 costs a thirtieth of it.
RSA_BITS = 3072
CURVE = "P-256"
SigningKey = RSAKey | ECKey | OKPKey
#: What tokens can be signed with.
ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")
NONCE_BYTES = 12


def sha256(value: str) -> str:
    """Return the hex digest under which a random value of at least 128 bits is stored."""
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()


class KeyRing:
    """The keys in one folder.

    :param folder: created with mode 0700 when missing.
    :param algorithm: of signatures for which nobody wants another one; keys of others stay published.
    :raises ConfigurationError: when a key file can be read by others.
    """

    def __init__(self, folder: Path, algorithm: str = "RS256") -> None:
        self.folder, self.algorithm = folder, algorithm
        self._signing_folder = folder / "signing"
        for path in (folder, self._signing_folder):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            for file in path.glob("[!.]*"):  # the others are being written by somebody else
                if file.is_file():
                    self._check(file)
        self._lock = threading.Lock()
        self._loaded: tuple[float, tuple[SigningKey, ...]] | None = None
        self._checked_at = 0.0

    @cached_property
    def app_secret(self) -> str:
        """The secret for forms and signed links."""
        return self._secret("secret_key").hex()

    @cached_property
    def pepper(self) -> bytes:
        """The key of the keyed hash that every password passes before it is stored."""
        return self._secret("pepper")

    @cached_property
    def _field_key(self) -> bytes:
        return self._secret("field_key")

    def keyed_hash(self, *parts: str) -> str:
        """Return a hash of low-entropy or personal values that is worthless without the key."""
        message = "\x1f".join(parts).encode("utf-8", "surrogatepass")
        return hmac.new(self._field_key, message, hashlib.sha256).hexdigest()

    def encrypt(self, text: str, bound_to: str) -> bytes:
        """Encrypt a field (AES-256-GCM), bound to the row and user that *bound_to* names."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + AESGCM(self._field_key).encrypt(nonce, text.encode(), bound_to.encode())

    def decrypt(self, blob: bytes, bound_to: str) -> str:
        """Decrypt a field; raise ConfigurationError when it belongs elsewhere or the key is another."""
        try:
            plain = AESGCM(self._field_key).decrypt(blob[:NONCE_BYTES], blob[NONCE_BYTES:], bound_to.encode())
        except (InvalidTag, ValueError):
            raise ConfigurationError("an encrypted field does not fit the field key") from None
        return plain.decode()

    def signing_key(self, algorithm: str | None = None) -> SigningKey:
        """Return the newest signing key of an algorithm, made when it is wanted for the first time."""
        wanted = algorithm or self.algorithm
        found = [key for key in self._signing_keys() if key.alg == wanted]
        if not found:
            self._make_signing_key(wanted, first=True)
            self._loaded = None
            found = [key for key in self._signing_keys() if key.alg == wanted]
        return found[-1]

    def public_jwks(self) -> dict[str, Any]:
        """Return all published keys (RFC 7517), without private members."""
        return {"keys": [key.as_dict(private=False) for key in self._signing_keys()]}

    def rotate(self, *, emergency: bool = False) -> str:
        """Make new signing keys and return the id of the usual one; the old ones stay published unless *emergency*."""
        old = sorted(self._signing_folder.glob("*.json"))
        for algorithm in {str(key.alg) for key in self._stored_signing_keys()} - {self.algorithm}:
            self._make_signing_key(algorithm)
        kid = self._make_signing_key(self.algorithm)
        if emergency:
            for path in old:
                path.unlink(missing_ok=True)
        self._loaded = None
        return kid

    def _signing_keys(self) -> tuple[SigningKey, ...]:
        """Return the keys, oldest first; another process may have rotated, so the folder is looked at again."""
        if self._loaded is not None and time.monotonic() - self._checked_at < 1:
            return self._loaded[1]
        with self._lock:
            self._checked_at = time.monotonic()
            stamp = self._signing_folder.stat().st_mtime_ns
            if self._loaded is None or self._loaded[0] != stamp:
                self._loaded = (stamp, self._read_signing_keys())
            return self._loaded[1]

    def _read_signing_keys(self) -> tuple[SigningKey, ...]:
        keys = self._stored_signing_keys()
        if not any(key.alg == self.algorithm for key in keys):
            self._make_signing_key(self.algorithm, first=True)
            keys = self._stored_signing_keys()
        return keys

    def _stored_signing_keys(self) -> tuple[SigningKey, ...]:
        paths = sorted(self._signing_folder.glob("*.json"))
        return tuple(cast(SigningKey, JWKRegistry.import_key(json.loads(self._read(path)))) for path in paths)

    def _make_signing_key(self, algorithm: str, *, first: bool = False) -> str:
        kid = secrets.token_hex(8)
        members: KeyParameters = {"kid": kid, "use": "sig", "alg": algorithm}
        key: SigningKey
        if algorithm == "ES256":
            key = ECKey.generate_key(CURVE, members, private=True)
        elif algorithm == "EdDSA":
            key = OKPKey.generate_key("Ed25519", members, private=True)
        else:
            key = RSAKey.generate_key(RSA_BITS, members, private=True)
        # All processes that start at once agree on the one file name of a first key.
        name = f"{0:020d}-{algorithm}.json" if first else f"{time.time_ns():020d}-{kid}.json"
        self._create(self._signing_folder / name, json.dumps(key.as_dict(private=True)).encode())
        return kid

    def _secret(self, name: str) -> bytes:
        path = self.folder / name
        if not path.exists():
            self._create(path, secrets.token_hex(32).encode())
        return bytes.fromhex(self._read(path).strip())

    @staticmethod
    def _create(path: Path, content: bytes) -> None:
        """Write a whole file under its name, unless another process was first."""
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temporary, path)
        except FileExistsError:
            pass
        finally:
            temporary.unlink()

    @classmethod
    def _read(cls, path: Path) -> str:
        cls._check(path)
        return path.read_text()

    @staticmethod
    def _check(path: Path) -> None:
        if path.stat().st_mode & 0o077:
            raise ConfigurationError(f"{path} can be read by others; make it mode 0600")
