"""Client authentication (RFC 6749 section 2.3): exactly as registered, one method at a time, one answer to all."""

import base64
import binascii
from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from urllib.parse import unquote_plus

from authlib.oauth2.rfc6749 import InvalidClientError, InvalidRequestError
from sqlalchemy import Row, bindparam, select

from idprotect import browser, throttle
from idprotect.keys import sha256
from idprotect.models import Client, ClientRules, run, session, table_of
from idprotect.oidc.requests import ProtocolRequest
from idprotect.runtime import settings

_table = table_of(Client)
_BY_ID = select(_table).where(_table.c.id == bindparam("client_id"), _table.c.enabled)
FAILURE_WINDOW = timedelta(minutes=15)
METHODS = ("client_secret_basic", "client_secret_post", "none")


class StoredClient(ClientRules):
    """A client's row, as Authlib asks for it."""

    def __init__(self, row: "Row[Any]") -> None:
        self.__dict__.update(row._mapping)


def find(client_id: str) -> StoredClient | None:
    """Return an enabled client as it is registered now; nothing about it is remembered."""
    row = run(_BY_ID, client_id=client_id).first() if client_id.isprintable() else None
    return StoredClient(row) if row is not None else None


def authenticate(request: ProtocolRequest, endpoint: str) -> StoredClient:
    """Return the client that made the request.

    :raises InvalidClientError: for unknown, disabled and wrong alike.
    :raises InvalidRequestError: when it used two methods at once.
    :raises TooManyAttempts: after too many wrong secrets, for right and wrong alike.
    """
    header = request.headers.get("Authorization")
    form = request.form
    if header is not None:
        if "client_secret" in form:
            raise InvalidRequestError("More than one way of client authentication was used.")
        client_id, secret = _basic_credentials(header)
        if form.get("client_id", client_id) != client_id:
            raise InvalidRequestError("Two different client identifiers were sent.")
        method = "client_secret_basic"
    else:
        client_id, secret = form.get("client_id", ""), form.get("client_secret", "")
        method = "client_secret_post" if "client_secret" in form else "none"
    client = find(client_id)
    if client is not None and not client.check_endpoint_auth_method(method, endpoint):
        client = None
    if method != "none":
        client = _with_secret(client, client_id, secret)
    if client is None:
        raise _refused()
    request.auth_method = method
    return client


def _with_secret(client: StoredClient | None, client_id: str, secret: str) -> StoredClient | None:
    """Return the client if the secret is its own; none is compared beyond a limit.

    Only failures are counted, or every request would write. While there are none, tries under way at one moment are
    compared before they are counted; from the first one on each counts as failed in advance.
    """
    limits = _failure_limits(client_id)
    counted = throttle.refuse_beyond(limits, FAILURE_WINDOW) > 0
    if counted:
        _count_failure(limits)
    if client is None or not client.check_client_secret(secret):
        if not counted:
            _count_failure(limits)
        return None
    if counted:
        for key in limits:
            throttle.take_back(key)
        session().commit()  # whatever comes of the request
    return client


def _failure_limits(client_id: str) -> dict[str, int]:
    """Return what a wrong secret counts for: the client at this address, and the address; from elsewhere it goes on."""
    network = throttle.network_of(browser.ip_address())
    return {
        f"client-secret:{sha256(client_id)[:40]}:{network}": settings().client_secret_failures,
        f"client-secret-address:{network}": settings().client_secret_failures_per_address,
    }


def _count_failure(counters: Iterable[str]) -> None:
    for key in counters:
        throttle.hit(key, FAILURE_WINDOW)
    session().commit()


def _refused() -> InvalidClientError:
    return InvalidClientError("Client authentication failed.", status_code=401)


def _basic_credentials(header: str) -> tuple[str, str]:
    """Read ``Basic`` credentials, whose parts are form-encoded (RFC 6749 section 2.3.1)."""
    scheme, _, encoded = header.partition(" ")
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise _refused() from None
    client_id, colon, secret = decoded.partition(":")
    if scheme.lower() != "basic" or not colon:
        raise _refused()
    return unquote_plus(client_id), unquote_plus(secret)
