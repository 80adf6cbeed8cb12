"""Pushed authorization requests (RFC 9126): sent by the application itself, referred to by the browser, used once."""

import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError
from sqlalchemy import bindparam, select, update

from idprotect import clock
from idprotect.keys import sha256
from idprotect.models import PushedRequest, add, run, table_of
from idprotect.oidc import clients, dpop, request_objects, unproved
from idprotect.oidc.dpop import InvalidDpopProof
from idprotect.oidc.requests import ProtocolRequest

PREFIX = "urn:ietf:params:oauth:request_uri:"
#: Enough for a browser that is sent here at once.
LIFETIME = timedelta(seconds=90)
#: What authenticates the client is no part of the request.
CREDENTIALS = frozenset({"client_secret", "client_assertion", "client_assertion_type"})

_table = table_of(PushedRequest)
_this = (
    _table.c.reference_hash == bindparam("reference"),
    _table.c.client_id == bindparam("client"),
    _table.c.expires_at > bindparam("now"),
    _table.c.used_at.is_(None),
)
_FIND = select(_table.c.parameters).where(*_this)
_USE = update(_table).where(*_this).values(used_at=bindparam("now"))


def push(request: ProtocolRequest) -> ProtocolRequest:
    """Return the authorization request that an authenticated client pushes (section 2.1); it has to be validated.

    :raises InvalidClientError: for whoever is not the client.
    :raises TooManyRequests: for a public client that pushed too many.
    :raises InvalidRequestError: for a reference instead of a request.
    :raises InvalidDpopProof: for a proof that is not good, or not of the key that the request names.
    """
    client = clients.authenticate(request, "pushed_authorization_request")
    unproved.count(client)
    if "request_uri" in request.form:
        raise InvalidRequestError("A request_uri cannot be pushed.")
    parameters = {name: value for name, value in request.form.items() if name not in CREDENTIALS}
    sent = ProtocolRequest("GET", "/authorize", {**parameters, "client_id": client.id})
    pushed = request_objects.resolve(sent)
    if pushed is sent and client.require_signed_request_object:
        raise InvalidRequestError("The request has to be signed.")
    if request.proofs:
        _bind(pushed.payload.data, dpop.check(request.proofs, "POST", "/par"))
    return pushed


def _bind(parameters: dict[str, str], thumbprint: str) -> None:
    """Bind the code to a proved key, as if the request had said so itself (RFC 9449 section 10.1)."""
    if parameters.setdefault("dpop_jkt", thumbprint) != thumbprint:
        raise InvalidDpopProof("The proof is not by the key of dpop_jkt.")


def store(parameters: Mapping[str, str]) -> dict[str, Any]:
    """Keep a validated request, and return the answer (section 2.2)."""
    reference = secrets.token_urlsafe(32)
    row: dict[str, Any] = {"reference_hash": sha256(reference), "client_id": parameters["client_id"]}
    add(PushedRequest, {**row, "parameters": dict(parameters), "expires_at": clock.now() + LIFETIME})
    return {"request_uri": PREFIX + reference, "expires_in": int(LIFETIME.total_seconds())}


def is_reference(request: ProtocolRequest) -> bool:
    """Whether a browser's request refers to one that was pushed."""
    return bool(request.payload.data.get("request_uri", "").startswith(PREFIX))


def resolve(request: ProtocolRequest) -> ProtocolRequest:
    """Return the request that a browser's *request* refers to, or itself when it refers to none.

    What the browser says beside client and reference does not count (RFC 9101 section 6.3). It is used up by
    :func:`use`, once it is stored or answered: somebody who only guesses ends nothing.

    :raises InvalidRequestError: when it is unknown, used, too old, or another client's: without any redirect.
    """
    if not is_reference(request):
        return request
    found = run(_FIND, **_key(request)).first()
    if found is None:
        raise InvalidRequestError("The request_uri is not valid.")
    return ProtocolRequest("GET", "/authorize", found.parameters)


def use(request: ProtocolRequest) -> None:
    """Use up the reference of a browser's request.

    :raises InvalidRequestError: when somebody else was faster.
    """
    if is_reference(request) and run(_USE, **_key(request)).rowcount != 1:
        raise InvalidRequestError("The request_uri is not valid.")


def _key(request: ProtocolRequest) -> dict[str, Any]:
    parameters = request.payload.data
    reference = sha256(parameters["request_uri"].removeprefix(PREFIX))
    return {"reference": reference, "client": parameters.get("client_id", ""), "now": clock.now()}
