"""Passkeys and security keys (Web Authentication Level 3) as a second factor, which nobody can be tricked out of.

The browser signs a challenge together with the origin that it sees, so an answer is worth nothing to whoever asks for
it elsewhere. It is asked for after the password: that somebody is there is enough (user presence), and a device that
checks who it is may do so.
"""

import ipaddress
import json
import logging
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import or_, select, update
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import (
    base64url_to_bytes,
    bytes_to_base64url,
    parse_authentication_credential_json,
    parse_registration_credential_json,
)
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    CredentialDeviceType,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from idprotect.methods import challenges
from idprotect.methods.base import encrypted, secret_of
from idprotect.models import Authenticator, Challenge, SignIn, User, new_id, rows_changed, session
from idprotect.runtime import runtime, settings

log = logging.getLogger("idprotect.methods")
HARDWARE, SOFTWARE = "hwk", "swk"
LONGEST_ANSWER = 16 * 1024


class Passkey:
    """A key in a phone, computer, password manager or on a stick."""

    name = "passkey"
    label = "Passkey"
    description = (
        "Your device confirms that it is you, by fingerprint, face, PIN or a key. It cannot be phished."
    )
    recommended = True
    sends = False
    asks_browser = True

    def is_offered(self) -> bool:
        """Where browsers allow it: under a name, not an address, and with TLS unless that is this machine."""
        host = _host()
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return settings().is_https or host == "localhost" or host.endswith(".localhost")
        return False

    def amr(self, authenticator: Authenticator) -> str:
        """A key that never leaves its device, or one that is copied to the person's others."""
        copied = _credential(authenticator)["device_type"] == CredentialDeviceType.MULTI_DEVICE
        return SOFTWARE if copied else HARDWARE

    def register(self, user: User, sign_in: SignIn, text: str) -> Authenticator:
        """Make room for a key, which the browser makes; it is called like the device on which that is."""
        identity = new_id()
        return Authenticator(
            id=identity,
            user_id=user.id,
            method=self.name,
            secret=encrypted(identity, user.id, ""),
            hint=(sign_in.device_name or "")[:64],
            registered_in=sign_in.id,
        )

    def send(self, authenticator: Authenticator, sign_in: SignIn) -> None:
        """Nothing is sent."""

    def is_right(self, authenticator: Authenticator, sign_in: SignIn, answer: str) -> bool:
        """Verify what the browser made of the challenge: a new key, or a signature by the one that is there."""
        challenge = challenges.waiting(authenticator, sign_in)
        if challenge is None:
            return False
        verify = _takes_key if authenticator.confirmed_at is None else _has_signed
        try:
            is_good = verify(authenticator, challenge, answer)
        except Exception as error:  # noqa: BLE001 (bytes of a stranger's choice: many kinds of error say no)
            log.info("the answer of a passkey was refused: %s", type(error).__name__)
            return False
        return is_good and challenges.use_up(challenge.id)


def options_to_register(authenticator: Authenticator, user: User, sign_in: SignIn) -> str:
    """Return what the browser needs to make a key, as JSON. Commits."""
    known = select(Authenticator).where(
        Authenticator.user_id == user.id,
        Authenticator.method == Passkey.name,
        Authenticator.confirmed_at.is_not(None),
        Authenticator.id != authenticator.id,  # which may have been confirmed since it was read
    )
    options = generate_registration_options(
        rp_id=_host(),
        rp_name=settings().brand_name,
        user_id=user.id.encode(),
        user_name=user.username,
        user_display_name=user.display_name,
        challenge=_challenge(authenticator, sign_in),
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.PREFERRED,
            user_verification=UserVerificationRequirement.PREFERRED,
        ),
        exclude_credentials=[_descriptor(other) for other in session().scalars(known)],
    )
    return options_to_json(options)


def options_to_prove(authenticator: Authenticator, sign_in: SignIn) -> str:
    """Return what the browser needs to sign with the key, as JSON. Commits."""
    options = generate_authentication_options(
        rp_id=_host(),
        challenge=_challenge(authenticator, sign_in),
        allow_credentials=[_descriptor(authenticator)],
        user_verification=UserVerificationRequirement.PREFERRED,
    )
    return options_to_json(options)


def _takes_key(authenticator: Authenticator, challenge: Challenge, answer: str) -> bool:
    sent = parse_registration_credential_json(answer)
    made = verify_registration_response(
        credential=sent,
        expected_challenge=_bytes_of(challenge),
        expected_rp_id=_host(),
        expected_origin=_origin(),
    )
    credential = {
        "id": bytes_to_base64url(made.credential_id),
        "key": bytes_to_base64url(made.credential_public_key),
        "device_type": str(made.credential_device_type.value),
        "transports": [transport.value for transport in sent.response.transports or ()],
    }
    authenticator.secret = encrypted(authenticator.id, authenticator.user_id, json.dumps(credential))
    authenticator.last_step = made.sign_count
    return True


def _has_signed(authenticator: Authenticator, challenge: Challenge, answer: str) -> bool:
    credential = _credential(authenticator)
    sent = parse_authentication_credential_json(answer)
    if sent.id != credential["id"]:
        return False
    proved = verify_authentication_response(
        credential=sent,
        expected_challenge=_bytes_of(challenge),
        expected_rp_id=_host(),
        expected_origin=_origin(),
        credential_public_key=base64url_to_bytes(credential["key"]),
        credential_current_sign_count=authenticator.last_step or 0,
    )
    return _counts_up(authenticator, proved.new_sign_count)


def _counts_up(authenticator: Authenticator, count: int) -> bool:
    """Whether a key's own counter went on, which shows a copy of it; keys that are copied on purpose stay at 0."""
    never = (Authenticator.last_step.is_(None), Authenticator.last_step == 0)
    later = or_(*never) if count == 0 else or_(*never, Authenticator.last_step < count)
    counted = update(Authenticator).where(Authenticator.id == authenticator.id, later)
    return rows_changed(counted.values(last_step=count)) == 1


def _challenge(authenticator: Authenticator, sign_in: SignIn) -> bytes:
    """Return the challenge that waits, or a new one: looking at a page again makes no other."""
    return _bytes_of(challenges.waiting(authenticator, sign_in) or challenges.store(authenticator, sign_in))


def _bytes_of(challenge: Challenge) -> bytes:
    return bytes.fromhex(runtime().keys.keyed_hash("passkey", challenge.id))


def _credential(authenticator: Authenticator) -> dict[str, Any]:
    stored: dict[str, Any] = json.loads(secret_of(authenticator))
    return stored


def _descriptor(authenticator: Authenticator) -> PublicKeyCredentialDescriptor:
    credential = _credential(authenticator)
    transports = [AuthenticatorTransport(name) for name in credential["transports"]]
    return PublicKeyCredentialDescriptor(base64url_to_bytes(credential["id"]), transports=transports)


def _host() -> str:
    """Return the relying party id of Web Authentication: the issuer's host."""
    return urlsplit(settings().issuer).hostname or ""


def _origin() -> str:
    parts = urlsplit(settings().issuer)
    return f"{parts.scheme}://{parts.netloc}"
