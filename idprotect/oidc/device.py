"""Devices without a keyboard (RFC 8628): a code is shown, its user allows it on a page, the device asks until then.

The gate is asked when the person allows it, and again when the device comes for its tokens.
"""

import re
from datetime import timedelta
from typing import Any

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import (
    AccessDeniedError,
    InvalidGrantError,
    InvalidScopeError,
    UnauthorizedClientError,
)
from authlib.oauth2.rfc8628 import DeviceAuthorizationEndpoint, DeviceCodeGrant
from authlib.oauth2.rfc8628.errors import AuthorizationPendingError, ExpiredTokenError, SlowDownError
from sqlalchemy import bindparam, select, update

from idprotect import browser, clock, throttle
from idprotect.gate import Access, Endpoint
from idprotect.keys import sha256
from idprotect.models import DeviceGrant, add, run, session, table_of
from idprotect.models.base import UtcDateTime
from idprotect.oidc import targets, unproved
from idprotect.oidc.grants import Stored, ask_gate
from idprotect.oidc.issuing import Issuing
from idprotect.oidc.requests import ProtocolRequest
from idprotect.registration import AUTH_METHODS, DEVICE_CODE
from idprotect.runtime import settings

#: Seconds a code is good, and a device has to wait between two questions; longer by as much whenever it did not.
LIFETIME, INTERVAL, SLOWER = 600, 5, 5
#: Codes that were not right, from one address (an IPv6 /64).
WRONG_CODES, WINDOW = 10, timedelta(minutes=15)
LETTERS, LENGTH = "BCDFGHJKLMNPQRSTVWXZ", 8

_table = table_of(DeviceGrant)
_now = bindparam("now", type_=UtcDateTime)
_this = _table.c.id == bindparam("grant_id")
_undecided = (
    _this,
    _table.c.approved_at.is_(None),
    _table.c.denied_at.is_(None),
    _table.c.expires_at > _now,
)
_BY_DEVICE = select(_table).where(_table.c.device_hash == bindparam("hash"))
_BY_USER = select(_table).where(
    _table.c.user_hash == bindparam("hash"),
    _table.c.approved_at.is_(None),
    _table.c.denied_at.is_(None),
    _table.c.expires_at > _now,
)
_APPROVE = (
    update(_table)
    .where(*_undecided)
    .values(
        approved_at=_now,
        user_id=bindparam("by_user"),
        sign_in_id=bindparam("by_sign_in"),
        acr=bindparam("reached"),
        amr=bindparam("used", type_=_table.c.amr.type),
        auth_time=bindparam("proved_at", type_=UtcDateTime),
    )
)
_LIMIT = update(_table).where(_table.c.device_hash == bindparam("hash")).values(resource=bindparam("only"))
_DENY = update(_table).where(*_undecided).values(denied_at=_now)
_USE = update(_table).where(_this, _table.c.used_at.is_(None)).values(used_at=_now)
_SLOW_DOWN = (
    update(_table)
    .where(_this, _table.c.next_poll_at > _now)
    .values(interval=_table.c.interval + SLOWER, next_poll_at=bindparam("later", type_=UtcDateTime))
)
_POLL = update(_table).where(_this).values(next_poll_at=bindparam("later", type_=UtcDateTime))


class DeviceAuthorization(DeviceAuthorizationEndpoint):  # type: ignore[misc]
    """Gives out a pair of codes (section 3.1)."""

    CLIENT_AUTH_METHODS = list(AUTH_METHODS)
    EXPIRES_IN, INTERVAL = LIFETIME, INTERVAL

    def authenticate_client(self, request: ProtocolRequest) -> Any:
        """Let only clients in that are registered for the grant and for what they ask, and not too often."""
        client = super().authenticate_client(request)
        if not client.check_grant_type(DEVICE_CODE):
            raise UnauthorizedClientError()
        if client.get_allowed_scope(request.payload.scope) is None:
            raise InvalidScopeError()
        targets.check(request.form.get("resource"), client)
        unproved.count(client)
        return client

    def create_endpoint_response(self, request: ProtocolRequest) -> Any:
        """Give out the codes; what Authlib does not know of is added to what they are for."""
        status, codes, headers = super().create_endpoint_response(request)
        if resource := request.form.get("resource"):
            run(_LIMIT, hash=sha256(codes["device_code"]), only=resource)
        return status, codes, headers

    def get_verification_uri(self) -> str:
        """Where people type the code."""
        return f"{settings().issuer}/device"

    def save_device_credential(self, client_id: str, scope: str, data: dict[str, Any]) -> None:
        """Keep the codes, as hashes."""
        now = clock.now()
        row = {"client_id": client_id, "scope": " ".join(dict.fromkeys(scope.split())), "interval": INTERVAL}
        row |= {"device_hash": sha256(data["device_code"]), "user_hash": sha256(plain(data["user_code"]))}
        times = {"issued_at": now, "expires_at": now + timedelta(seconds=LIFETIME), "next_poll_at": now}
        add(DeviceGrant, {**row, **times})


class DeviceGrantType(Issuing, DeviceCodeGrant):  # type: ignore[misc]
    """Answers the device that asks (sections 3.4 and 3.5)."""

    TOKEN_ENDPOINT_AUTH_METHODS = list(AUTH_METHODS)

    def authenticate_token_endpoint_client(self) -> Any:
        """Remember the client: what it may have is asked below."""
        self.request.client = super().authenticate_token_endpoint_client()
        return self.request.client

    def query_device_credential(self, device_code: str) -> "StoredDevice":
        """Find a grant of this client.

        :raises InvalidGrantError: it is another's, was used, or rests on a registration that there is no more.
        """
        row = run(_BY_DEVICE, hash=sha256(device_code)).first()
        client = self.request.client
        if row is None or row.client_id != client.id or row.used_at is not None:
            raise InvalidGrantError()
        if row.issued_at < client.valid_after or not client.has_scopes(row.scope):
            raise InvalidGrantError()
        return StoredDevice(row)

    def validate_device_credential(self, credential: "StoredDevice") -> Any:
        """Return the user who allowed it, if the gate lets them have tokens now; use it up.

        The gate is asked first, so that a person who was refused can recover and need not type another code.
        """
        if credential.denied_at is not None:
            raise AccessDeniedError()
        if credential.expires_at <= clock.now():
            raise ExpiredTokenError()
        if credential.approved_at is None:
            raise _not_yet(credential)
        user = ask_gate(credential, self.request.client, Endpoint.DEVICE)
        if run(_USE, grant_id=credential.id, now=clock.now()).rowcount != 1:
            session().rollback()
            raise InvalidGrantError()
        return user


class StoredDevice(Stored):
    """A device's grant, as Authlib asks for it."""

    def get_client_id(self) -> str:
        """Whose it is."""
        return str(self.client_id)

    def get_scope(self) -> str:
        """Return what was asked for, and allowed."""
        return str(self.scope)


def find(user_code: str) -> StoredDevice | None:
    """Return a grant that waits for its user, by what the person typed; what is not right stays counted. Commits.

    :raises TooManyAttempts: after too many codes that were not right, for right and wrong alike.
    """
    if len(plain(user_code)) != LENGTH:
        return None  # nobody guesses so
    key = f"user-code:{throttle.network_of(browser.ip_address())}"
    throttle.check(key, WRONG_CODES, WINDOW)
    row = run(_BY_USER, hash=sha256(plain(user_code)), now=clock.now()).first()
    if row is None:
        return None
    throttle.take_back(key)
    session().commit()
    return StoredDevice(row)


def approve(grant: StoredDevice, access: Access) -> bool:
    """Let a device have tokens of this sign-in; return whether nobody had decided before. The caller commits."""
    sign_in = access.sign_in
    facts = {
        "by_user": access.user.id,
        "by_sign_in": sign_in.id,
        "reached": sign_in.acr,
        "used": list(sign_in.amr),
    }
    changed = run(_APPROVE, grant_id=grant.id, now=clock.now(), proved_at=sign_in.authenticated_at, **facts)
    return changed.rowcount == 1


def deny(grant: StoredDevice) -> None:
    """Let a device have nothing. The caller commits."""
    run(_DENY, grant_id=grant.id, now=clock.now())


def plain(user_code: str) -> str:
    """Return a code as it was made, however it was typed (section 6.1)."""
    return re.sub(f"[^{LETTERS}]", "", user_code.upper())


def shown(user_code: str) -> str:
    """Return a code as the device shows it."""
    letters = plain(user_code)
    return f"{letters[:4]}-{letters[4:]}"


def _not_yet(credential: StoredDevice) -> OAuth2Error:
    """Note the question, and answer that nothing is decided yet; who asks too often has to wait longer. Commits."""
    now = clock.now()
    later = now + timedelta(seconds=credential.interval + SLOWER)
    too_fast = run(_SLOW_DOWN, grant_id=credential.id, now=now, later=later).rowcount == 1
    if not too_fast:
        run(_POLL, grant_id=credential.id, later=now + timedelta(seconds=credential.interval))
    session().commit()
    answer: OAuth2Error = SlowDownError() if too_fast else AuthorizationPendingError()
    return answer
