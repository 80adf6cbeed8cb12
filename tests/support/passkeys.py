"""A person's passkey without a browser: what a device and the browser before it answer (Web Authentication Level 3)."""

import base64
import hashlib
import html
import json
import re
import secrets
import struct
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

USER_PRESENT, USER_VERIFIED, BACKUP_ELIGIBLE, BACKED_UP, HAS_KEY = 0x01, 0x04, 0x08, 0x10, 0x40
ES256, P256, EC2 = -7, 1, 2


def b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def options_of(page: str) -> dict[str, Any]:
    """Return what a page (HTML) asks the browser for."""
    found = re.search(r'data-options="([^"]+)"', page)
    assert found, page[:1000]
    options: dict[str, Any] = json.loads(html.unescape(found[1]))
    return options


@dataclass
class Passkey:
    """One key.

    :param origin: where the browser says that it is.
    :param synced: it is copied to the person's other devices, and counts nothing.
    """

    origin: str
    synced: bool = False
    count: int = 0
    id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def made(self, page: str) -> str:
        """Return the answer with a new key."""
        options = options_of(page)
        client_data = self._client_data("webauthn.create", options["challenge"])
        numbers = self.key.public_key().public_numbers()
        public = {1: EC2, 3: ES256, -1: P256, -2: numbers.x.to_bytes(32), -3: numbers.y.to_bytes(32)}
        credential = bytes(16) + struct.pack(">H", len(self.id)) + self.id + cbor2.dumps(public)
        data = self._authenticator_data(options["rp"]["id"], HAS_KEY) + credential
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        response = {"attestationObject": b64url(attestation), "transports": ["internal"]}
        return self._answer(client_data, response)

    def signed(self, page: str) -> str:
        """Return the answer with a signature."""
        options = options_of(page)
        client_data = self._client_data("webauthn.get", options["challenge"])
        data = self._authenticator_data(options["rpId"])
        signature = self.key.sign(data + hashlib.sha256(client_data).digest(), ec.ECDSA(SHA256()))
        return self._answer(client_data, {"authenticatorData": b64url(data), "signature": b64url(signature)})

    def _authenticator_data(self, rp_id: str, flags: int = 0) -> bytes:
        flags |= USER_PRESENT | USER_VERIFIED
        if self.synced:
            flags |= BACKUP_ELIGIBLE | BACKED_UP
        else:
            self.count += 1
        return hashlib.sha256(rp_id.encode()).digest() + struct.pack(">BI", flags, self.count)

    def _client_data(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin}).encode()

    def _answer(self, client_data: bytes, response: dict[str, Any]) -> str:
        said = {"clientDataJSON": b64url(client_data), **response}
        credential = {"id": b64url(self.id), "rawId": b64url(self.id), "type": "public-key"}
        return json.dumps({**credential, "clientExtensionResults": {}, "response": said})
