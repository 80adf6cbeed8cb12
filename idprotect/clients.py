"""Registering applications, and what becomes of what they hold when they change."""

import json
import secrets
from datetime import timedelta
from typing import Any

from idprotect import audit, clock, key_sets, workloads
from idprotect.audit import Event
from idprotect.consents import SCOPES
from idprotect.errors import InteractionError, NotFound
from idprotect.keys import sha256
from idprotect.models import Client, ClientDocument, new_id, session
from idprotect.registration import USER_GRANTS, Problem, Registration, RegistrationError
from idprotect.runtime import reach
from idprotect.senders import SendError
from idprotect.senders.outgoing import get as fetch

MIN_SECRET = 32
#: A secret that is replaced may be used for as long beside the new one.
MAX_OVERLAP = timedelta(days=30)
#: Columns that are named otherwise than the metadata they hold.
_COLUMNS = {
    "client_name": "name",
    "client_uri": "uri",
    "require_pushed_authorization_requests": "require_pushed",
}
#: What administrators decide also of clients that are known by a metadata document.
NOT_IN_DOCUMENTS = ("access_token_audience", "resources", "release_risk", "id_token_at_refresh")
_LISTS = ("redirect_uris", "post_logout_redirect_uris", "grant_types", "resources")


def create(
    registration: Registration,
    *,
    by: str,
    client_id: str | None = None,
    secret: str | None = None,
    reason: str = "",
    by_document: bool = False,
) -> tuple[Client, str | None]:
    """Register an application; return it with its secret, if it has one, which can be shown this once.

    :param client_id: instead of a random one.
    :param secret: instead of a random one, for set-ups that need to know it in advance.
    :param reason: why, for the audit log.
    :param by_document: its id is the URL of the document that says all of this.
    :raises RegistrationError: with everything that is wrong.
    """
    if problems := (*registration.problems(), *_given_problems(client_id, secret)):
        raise RegistrationError(problems)
    _check_sector(registration)
    issued = (secret or secrets.token_urlsafe(32)) if registration.has_secret else None
    client = Client(id=client_id or new_id(), secret_hash=sha256(issued) if issued else None)
    client.by_document = by_document
    fill(client, registration)
    session().add(client)
    session().flush()
    audit.record(
        Event.CLIENT_CREATED,
        actor=by,
        client_id=client.id,
        first_party=registration.first_party,
        reason=reason,
    )
    return client, issued


def get(client_id: str) -> Client:
    """Return a client; raise NotFound when there is none."""
    client = session().get(Client, client_id)
    if client is None:
        raise NotFound(f"no client has the id {client_id!r}")
    return client


def document_of(client: Client) -> ClientDocument | None:
    """Return how things stand with the metadata document of a client; None: it is registered."""
    return session().get(ClientDocument, client.id) if client.by_document else None


def registration_of(client: Client) -> Registration:
    """Return what an application is registered with, to be replaced in part."""
    stored: dict[str, Any] = {
        field: getattr(client, _COLUMNS.get(field, field))
        for field in Registration.__dataclass_fields__
        if field not in ("scope", "application_type")
    }
    stored |= {field: tuple(stored[field]) for field in _LISTS}
    stored |= {"scope": " ".join(client.scopes), "application_type": "native" if client.native else "web"}
    return Registration(**stored)


def as_stored(registration: Registration) -> Registration:
    """Return a registration as it is read back once it was stored."""
    client = Client(id="")
    fill(client, registration)
    return registration_of(client)


def change(
    client: Client, registration: Registration, by: str, reason: str = "", *, by_itself: bool = False
) -> str | None:
    """Register an application anew; once something is taken away, everything issued so far is refused.

    :param reason: why, for the audit log.
    :param by_itself: the client looks after its own registration (RFC 7592), or its metadata document does. When
        anybody else changes one, that is over: what an administrator gives must not come with redirect URIs that the
        client chose afterwards.
    :return: its secret, when it needs one now and had none.
    :raises RegistrationError: with everything that is wrong.
    """
    registration.check()
    before = registration_of(client)
    if client.by_document and not by_itself:
        _check_against_document(before, registration)
    if (before.sector_identifier_uri, before.redirect_uris) != (
        registration.sector_identifier_uri,
        registration.redirect_uris,
    ):
        _check_sector(registration)
    fill(client, registration)
    if not by_itself:
        client.registration_token_hash = None
    after = registration_of(client)
    issued = _fit_secret(client, after)
    removed = sorted(_held(before) - _held(after))
    if removed:
        client.valid_after = clock.now()
    changed = {
        field: {"before": getattr(before, field), "after": getattr(after, field)}
        for field in Registration.__dataclass_fields__
        if getattr(after, field) != getattr(before, field)
    }
    audit.record(
        Event.CLIENT_CHANGED,
        actor=by,
        client_id=client.id,
        change="registration",
        reason=reason,
        removed=removed,
        changed=changed,
    )
    return issued


def rotate_secret(client: Client, by: str, overlap: timedelta = timedelta(), reason: str = "") -> str:
    """Give a client a new secret.

    Without overlap the old one, and everything issued so far, is refused at once, and the client's risk is closed:
    that is for a secret that others may know.

    :param overlap: the old secret is as good as the new one for as long; what was issued stays good.
    :param reason: why, for the audit log.
    :raises InteractionError: when it has no secret, or the overlap is too long.
    """
    if client.secret_hash is None:
        raise InteractionError("this client has no secret")
    if not timedelta() <= overlap <= MAX_OVERLAP:
        raise InteractionError(f"two secrets overlap for {MAX_OVERLAP.days} days at most")
    issued, now = secrets.token_urlsafe(32), clock.now()
    client.previous_secret_hash = client.secret_hash if overlap else None
    client.previous_secret_expires_at = now + overlap if overlap else None
    client.secret_hash = sha256(issued)
    if not overlap:
        client.registration_token_hash = None  # whoever knew the secret may know that token, too
        client.valid_after = now
        workloads.remediate(client.id, by)
    audit.record(
        Event.CLIENT_CHANGED,
        actor=by,
        client_id=client.id,
        change="secret rotated",
        reason=reason,
        overlap_seconds=int(overlap.total_seconds()),
    )
    return issued


def set_enabled(client: Client, enabled: bool, by: str, reason: str = "") -> None:
    """Disable a client with everything it holds, or enable it; what it held stays dead.

    :param reason: why, for the audit log.
    """
    before = client.enabled
    client.enabled, client.valid_after = enabled, clock.now()
    client.registration_token_hash = None
    audit.record(
        Event.CLIENT_CHANGED,
        actor=by,
        client_id=client.id,
        change="enabled" if enabled else "disabled",
        reason=reason,
        changed={"enabled": {"before": before, "after": enabled}},
    )


def fill(client: Client, registration: Registration) -> None:
    """Put a registration into its columns."""
    for field in Registration.__dataclass_fields__:
        value: Any = getattr(registration, field)
        if field == "scope":
            client.scopes = list(_scopes(registration))
        elif field == "application_type":
            client.native = value == "native"
        else:
            setattr(client, _COLUMNS.get(field, field), list(value) if field in _LISTS else value)


def _fit_secret(client: Client, registration: Registration) -> str | None:
    """Forget the secret of a client that authenticates without, and give one to whoever lacks it."""
    if registration.has_secret == (client.secret_hash is not None):
        return None
    issued = secrets.token_urlsafe(32) if registration.has_secret else None
    client.secret_hash = sha256(issued) if issued else None
    client.previous_secret_hash = client.previous_secret_expires_at = None
    return issued


def _scopes(registration: Registration) -> tuple[str, ...]:
    if registration.scope is not None:
        return tuple(dict.fromkeys(registration.scope.split()))
    return tuple(SCOPES) if {*USER_GRANTS} & {*registration.grant_types} else ()


def _held(registration: Registration) -> set[str]:
    """What codes and tokens rest on: they are not good without it."""
    scopes = (registration.scope or "").split()
    method = registration.token_endpoint_auth_method
    audiences = registration.access_token_audience, registration.resource_identifier
    held = {*registration.redirect_uris, *registration.grant_types, *registration.resources, *scopes, method}
    held |= {place for place in (*audiences, registration.jwks_uri) if place}
    return (
        held | {key.thumbprint() for key in key_sets.load(registration.jwks)} if registration.jwks else held
    )


def _check_against_document(before: Registration, after: Registration) -> None:
    """Refuse to change what the next reading of a client's document would undo, or must not be given to a stranger."""
    changed = [
        field
        for field in Registration.__dataclass_fields__
        if field not in NOT_IN_DOCUMENTS and getattr(after, field) != getattr(before, field)
    ]
    if changed:
        raise RegistrationError(tuple(Problem(field, "its metadata document says this") for field in changed))


def _check_sector(registration: Registration) -> None:
    """Look whether the sector knows all redirect URIs (OIDC Registration section 5): it is told who its members are."""
    uri = registration.sector_identifier_uri
    if uri is None:
        return
    try:
        document = fetch(uri, accept="application/json", reach=reach())
        listed = json.loads(document)
        missing = [member for member in registration.redirect_uris if member not in listed]
    except SendError as error:
        problem = Problem("sector_identifier_uri", "it cannot be fetched", cause=str(error))
        raise RegistrationError((problem,)) from None
    except (ValueError, TypeError, RecursionError):
        raise RegistrationError((Problem("sector_identifier_uri", "it is no list of URIs"),)) from None
    if missing or not isinstance(listed, list):
        raise RegistrationError((Problem("sector_identifier_uri", "it does not list every redirect URI"),))


def _given_problems(client_id: str | None, secret: str | None) -> tuple[Problem, ...]:
    problems = []
    if secret is not None and len(secret) < MIN_SECRET:
        problems.append(Problem("secret", f"a secret has at least {MIN_SECRET} characters"))
    if client_id is not None:
        if not (client_id.isascii() and client_id.isprintable() and 0 < len(client_id) <= 128):
            problems.append(Problem("client_id", "a client id has at most 128 printable ASCII characters"))
        elif session().get(Client, client_id) is not None:
            problems.append(Problem("client_id", f"a client with the id {client_id!r} exists"))
    return tuple(problems)
