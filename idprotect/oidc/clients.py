"""Client authentication (RFC 6749 section 2.3): exactly as registered, one method at a time, one answer to all."""

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import unquote_plus

from authlib.oauth2.rfc6749 import InvalidClientError, InvalidRequestError
from sqlalchemy import and_, bindparam, literal, or_, select

from idprotect import browser, clock, throttle
from idprotect.errors import TooManyAttempts
from idprotect.keys import sha256
from idprotect.models import BARE_CLIENT, Client, ClientDocument, ClientRules, run, session, table_of
from idprotect.models.base import UtcDateTime
from idprotect.oidc import assertions, document_clients, metadata_documents
from idprotect.oidc.requests import ProtocolRequest
from idprotect.runtime import runtime, settings

_table, _documents = table_of(Client), table_of(ClientDocument)
_BY_ID = select(*BARE_CLIENT.columns).where(_table.c.id == bindparam("client_id"))
_REVISION_OF_URL = (
    select(_table.c.revision)
    .select_from(_table.outerjoin(_documents))
    .where(
        _table.c.id == bindparam("client_id"),
        _table.c.enabled,
        or_(~_table.c.by_document, _documents.c.fetched_at > bindparam("good_after", type_=UtcDateTime)),
    )
)
_REVISION = select(_table.c.revision).where(_table.c.id == bindparam("client_id"), _table.c.enabled)
#: Always one row, whose revision is None when there is no such client.
_WITH_FAILURES = select(
    _table.c.revision,
    throttle.events("of_client").label("of_client"),
    throttle.events("of_address").label("of_address"),
).select_from(
    select(literal(1).label("one"))
    .subquery()
    .outerjoin(_table, and_(_table.c.id == bindparam("client_id"), _table.c.enabled))
)
#: Where clients begin what ends in tokens.
BEGINNINGS = frozenset({"pushed_authorization_request", "device_authorization"})
FAILURE_WINDOW = timedelta(minutes=15)
MOST_REMEMBERED = 4096


def find(client_id: str) -> ClientRules | None:
    """Return an enabled client as it is registered now, or as its metadata document said not long ago."""
    if not client_id.isprintable():
        return None
    if metadata_documents.is_url(client_id):
        good_after = clock.now() - document_clients.PATIENCE
        revision = run(_REVISION_OF_URL, client_id=client_id, good_after=good_after).scalar()
        return at_revision(client_id, revision)
    return at_revision(client_id, run(_REVISION, client_id=client_id).scalar())


def at_revision(client_id: str, revision: str | None) -> ClientRules | None:
    """Return a client whose revision was just read, enabled or not; None for None.

    What is registered is read once by each process. Its revision is read every time: it tells that nothing has changed.
    """
    client = _registered(client_id, revision) if revision is not None else None
    if client is not None and client.by_document and not document_clients.is_accepted(client_id):
        return None
    return client


def _registered(client_id: str, revision: str) -> ClientRules | None:
    remembered = runtime().registrations
    if revision in remembered:
        return remembered[revision]
    row = run(_BY_ID, client_id=client_id).first()
    if row is None:
        return None
    client = BARE_CLIENT.of(row)
    if len(remembered) >= MOST_REMEMBERED:
        remembered.clear()
    return remembered.setdefault(client.revision, client)


def _finder(endpoint: str) -> Callable[[str], ClientRules | None]:
    """Return how a client is found that calls an endpoint: where it begins something, its document is needed now."""
    see_to = document_clients.bring if endpoint in BEGINNINGS else document_clients.follow

    def find_at(client_id: str) -> ClientRules | None:
        see_to(client_id)
        return find(client_id)

    return find_at


def authenticate(request: ProtocolRequest, endpoint: str) -> ClientRules:
    """Return the client that made the request.

    :raises InvalidClientError: for unknown, disabled and wrong alike.
    :raises DocumentRefused: where something begins, and the client's metadata document cannot be used.
    :raises InvalidRequestError: when it used two methods at once.
    :raises TooManyAttempts: after too many wrong secrets, for right and wrong alike.
    """
    look_up = _finder(endpoint)
    header = request.headers.get("Authorization")
    form = request.form
    if "client_assertion" in form or "client_assertion_type" in form:
        if header is not None or "client_secret" in form:
            raise InvalidRequestError("More than one way of client authentication was used.")
        return _accepted(assertions.authenticate(request, look_up), "private_key_jwt", request, endpoint)
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
    client = look_up(client_id) if method == "none" else _with_secret(client_id, secret)
    return _accepted(client, method, request, endpoint)


def _accepted(
    client: ClientRules | None, method: str, request: ProtocolRequest, endpoint: str
) -> ClientRules:
    """Return a client that proved who it is, if it did so as it is registered."""
    if client is None or not client.check_endpoint_auth_method(method, endpoint):
        raise refused()
    request.auth_method = method
    return client


def _with_secret(client_id: str, secret: str) -> ClientRules | None:
    """Return the client if the secret is its own; none is compared beyond a limit.

    Only failures are counted, or every request would write. While there are none, tries under way at one moment are
    compared before they are counted; from the first one on each counts as failed in advance.
    """
    failures = _failures(client_id)
    if failures.lately:
        failures.count()
    if failures.client is None or not failures.client.check_client_secret(secret):
        if not failures.lately:
            failures.count()
        return None
    if failures.lately:
        failures.take_back()
    return failures.client


@dataclass(frozen=True, slots=True)
class _Failures:
    """A client, and the counters of wrong secrets that one more would move."""

    client: ClientRules | None
    lately: bool
    counters: tuple[str, str]

    def count(self) -> None:
        """Count one more. Commits."""
        for key in self.counters:
            throttle.hit(key, FAILURE_WINDOW)
        session().commit()

    def take_back(self) -> None:
        """It turned out well. Commits, whatever comes of the request."""
        for key in self.counters:
            throttle.take_back(key)
        session().commit()


def _failures(client_id: str) -> _Failures:
    """Read a client together with what was counted: of the client at this address, and of the address.

    :raises TooManyAttempts: when that is too much; from elsewhere the client goes on.
    """
    network = throttle.network_of(browser.ip_address())
    counters = f"client-secret:{sha256(client_id)[:40]}:{network}", f"client-secret-address:{network}"
    row = run(
        _WITH_FAILURES,
        client_id=client_id if client_id.isprintable() else "",
        of_client=counters[0],
        of_address=counters[1],
        opened_after=clock.now() - FAILURE_WINDOW,
    ).one()
    limits = settings().client_secret_failures, settings().client_secret_failures_per_address
    for key, count, limit in zip(counters, (row.of_client or 0, row.of_address or 0), limits, strict=True):
        if count >= limit:
            raise TooManyAttempts(throttle.seconds_left(key, FAILURE_WINDOW))
    lately = bool(row.of_client or row.of_address)
    return _Failures(at_revision(client_id, row.revision), lately, counters)


def refused() -> InvalidClientError:
    """Return the one answer to whoever is not authenticated, for whatever reason."""
    return InvalidClientError("Client authentication failed.", status_code=401)


def _basic_credentials(header: str) -> tuple[str, str]:
    """Read ``Basic`` credentials, whose parts are form-encoded (RFC 6749 section 2.3.1)."""
    scheme, _, encoded = header.partition(" ")
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise refused() from None
    client_id, colon, secret = decoded.partition(":")
    if scheme.lower() != "basic" or not colon:
        raise refused()
    return unquote_plus(client_id), unquote_plus(secret)
