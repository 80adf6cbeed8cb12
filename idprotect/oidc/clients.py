"""Client authentication (RFC 6749 section 2.3): exactly as registered, one method at a time, one answer to all."""

import base64
import binascii
from urllib.parse import unquote_plus

from authlib.oauth2.rfc6749 import InvalidClientError, InvalidRequestError
from sqlalchemy import bindparam, select
from sqlalchemy.orm.util import identity_key

from idprotect.models import Client, session
from idprotect.oidc.requests import ProtocolRequest

_BY_ID = select(Client).where(Client.id == bindparam("client_id"))
METHODS = ("client_secret_basic", "client_secret_post", "none")


def find(client_id: str) -> Client | None:
    """Return an enabled client."""
    client: Client | None = session().identity_map.get(identity_key(Client, client_id))
    if client is None and client_id.isprintable():
        client = session().scalar(_BY_ID, {"client_id": client_id})
    return client if client is not None and client.enabled else None


def authenticate(request: ProtocolRequest, endpoint: str) -> Client:
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
