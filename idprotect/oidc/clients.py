"""Client authentication (RFC 6749 section 2.3): exactly as registered, one method at a time, one answer to all."""

import base64
import binascii
from typing import Any
from urllib.parse import unquote_plus

from authlib.oauth2.rfc6749 import InvalidClientError, InvalidRequestError
from sqlalchemy import Row, bindparam, select

from idprotect.models import Client, ClientRules, run, table_of
from idprotect.oidc.requests import ProtocolRequest

_table = table_of(Client)
_BY_ID = select(_table).where(_table.c.id == bindparam("client_id"), _table.c.enabled)
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
    if client is None or not client.check_endpoint_auth_method(method, endpoint):
        raise _refused()
    if method != "none" and not client.check_client_secret(secret):
        raise _refused()
    request.auth_method = method
    return client


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
